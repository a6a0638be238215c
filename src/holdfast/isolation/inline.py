"""How a tool's code on the loop is marked, so that the watchdog knows whose code blocks it."""

from __future__ import annotations

from contextvars import ContextVar


class LoopBlocked(BaseException):
    """Raised inside a tool that blocks the loop; not an ``Exception``, so that the tool cannot swallow it by habit."""


running: ContextVar[float | None] = ContextVar("holdfast_running", default=None)
"""The deadline of the call whose code runs right now; set only around a tool's own code."""
