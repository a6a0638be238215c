"""Processes that die or stop at the worst moment."""

from holdfast_attack.cases.crash.catalogue import CASES

__all__ = ["CASES"]
