"""Leaks: whether secrets of the server or of its callers come back, in answers, errors or logs, in any spelling."""

from holdfast_attack.cases.leaks import active, errors, passive

CASES = (*active.CASES, *errors.CASES, *passive.CASES)

__all__ = ["CASES"]
