"""Runs an asynchronous tool on the loop, marked so that the watchdog knows whose code blocks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any


class LoopBlocked(BaseException):
    """Raised inside a tool that blocks the loop; not an ``Exception``, so that the tool cannot swallow it by habit."""


running: ContextVar[float | None] = ContextVar("holdfast_running", default=None)
"""The deadline of the call whose code runs right now; set only around a tool's own code."""


async def inline(deadline: float | None, run: Callable[..., Any], args: Any, ctx: Any, given: Mapping[str, Any]) -> Any:
    """Run an asynchronous tool's code on the loop. Raises ``LoopBlocked`` out of it when the watchdog interrupts it."""
    token = running.set(deadline if deadline is not None else float("inf"))
    try:
        return await run(args, ctx, **given)
    finally:
        running.reset(token)
