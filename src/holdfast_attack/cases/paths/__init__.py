"""Paths: whether a tool that takes the name of a file or folder is led out of its root, or made to wait for ever."""

from holdfast_attack.cases.paths import reading, special, writing
from holdfast_attack.cases.paths.archive import ARCHIVE
from holdfast_attack.cases.paths.race import RACE

CASES = (*reading.CASES, *special.CASES, *writing.CASES, ARCHIVE, RACE)

__all__ = ["CASES"]
