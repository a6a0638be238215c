"""URLs: whether a tool that fetches what a caller names reaches this machine, local files, or more than it can hold."""

from holdfast_attack.cases.urls import answers, reaching, redirects, upstream

CASES = (*reaching.CASES, *redirects.CASES, *upstream.CASES, *answers.CASES)

__all__ = ["CASES"]
