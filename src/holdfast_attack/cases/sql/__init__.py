"""SQL: whether a tool that reads by statements changes anything, reaches other files, or can be kept busy for ever."""

from holdfast_attack.cases.sql import costly, injection, own, reaching

CASES = (*reaching.CASES, own.OWN_WRITE, *injection.CASES, *costly.CASES)

__all__ = ["CASES"]
