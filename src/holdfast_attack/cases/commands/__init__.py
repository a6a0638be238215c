"""Commands: whether a value is run as a program, read as a flag, or leads to a program of somebody else's choice."""

from holdfast_attack.cases.commands import formats, injection, repositories, running

CASES = (*injection.CASES, formats.FORMAT, *running.CASES, *repositories.CASES)

__all__ = ["CASES"]
