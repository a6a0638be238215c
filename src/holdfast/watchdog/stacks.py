"""Looks at a standing loop from another thread: whose call it is in, and what every thread is doing."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from contextvars import Context as Variables
from types import FrameType
from typing import Any

from holdfast.core.context import current_context
from holdfast.core.pipeline import Call

DEPTH = 20
"""Innermost frames of a stack that are shown."""
THREADS = 64
"""Stacks that are shown at once; a server has a few dozen threads, and a log line an end."""


def stack_of(thread: int) -> str:
    """The stack of a thread by its ident, innermost frame last; empty when it is gone."""
    frame = sys._current_frames().get(thread)
    return "" if frame is None else "".join(traceback.format_stack(frame, limit=DEPTH))


def all_stacks(first: int) -> str:
    """The stacks of at most ``THREADS`` threads, that of the thread ``first`` before all others."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()
    order = sorted(frames, key=lambda ident: ident != first)[:THREADS]
    shown = [f"thread {names.get(ident, '?')}:\n{''.join(_lines(frames[ident]))}" for ident in order]
    left = len(frames) - len(order)
    return "\n".join(shown) + (f"\nand {left} more threads" if left else "")


def _lines(frame: FrameType) -> list[str]:
    return traceback.format_stack(frame, limit=DEPTH)


def tool_of(loop: asyncio.AbstractEventLoop, thread: int) -> str | None:
    """The tool whose call the loop is in right now; ``None`` when it is in no call's code, or that cannot be known.

    Three places know it: the running task's context (Python 3.12 on), asyncio's handle further out on the stack (not
    under uvloop), and the guards' own frames (not in a task that the tool has started itself).
    """
    task = asyncio.current_task(loop)
    get_context: Any = getattr(task, "get_context", None)
    if get_context is not None and (tool := _tool_in(get_context())) is not None:
        return tool
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if (tool := _tool_at(frame)) is not None:
            return tool
        frame = frame.f_back
    return None


def _tool_at(frame: FrameType) -> str | None:
    module = frame.f_globals.get("__name__", "")
    if module == "asyncio.events" and frame.f_code.co_name == "_run":
        return _tool_in(getattr(frame.f_locals.get("self"), "_context", None))
    if isinstance(module, str) and module.startswith("holdfast.guards."):
        call = frame.f_locals.get("call")
        return call.context.tool if isinstance(call, Call) else None
    return None


def _tool_in(variables: Variables | None) -> str | None:
    context = None if variables is None else variables.get(current_context)
    return None if context is None else context.tool
