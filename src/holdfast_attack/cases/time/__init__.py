"""Slow and hung tools: what they do to their neighbours, and when they end."""

from holdfast_attack.cases.time.catalogue import CASES

__all__ = ["CASES"]
