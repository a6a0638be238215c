"""Finds the tasks that wait inside a given coroutine function, by what they await; running them costs nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

_NEXT = ("cr_await", "gi_yieldfrom", "ag_await")
_BETWEEN = frozenset({"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"})
MAX_DEPTH = 1_000
"""Coroutines awaiting each other that are looked through: as many as Python lets anybody nest."""


def waiting_in(function: Callable[..., Any], owner: object) -> list[asyncio.Task[Any]]:
    """The tasks of this loop, but the running one, that wait in ``function`` as a method of ``owner``.

    A list of those who are inside would have to be kept for every call; this looks only when it is asked.
    """
    code, current = getattr(function, "__code__", None), asyncio.current_task()
    return [task for task in asyncio.all_tasks() if task is not current and _inside(task.get_coro(), code, owner)]


def _inside(waiting: Any, code: Any, owner: object) -> bool:
    for _ in range(MAX_DEPTH):
        if waiting is None:
            return False
        frame = getattr(waiting, "cr_frame", None)
        if frame is not None and frame.f_code is code and frame.f_locals.get("self") is owner:
            return True
        waiting = _awaited(waiting)
    return False


def _awaited(waiting: Any) -> Any:
    """What a coroutine, a generator or an asynchronous generator waits for.

    What stands between them, such as the object that ``__await__`` returns, has no such attribute, but holds the next.
    """
    for name in _NEXT:
        if hasattr(waiting, name):
            return getattr(waiting, name)
    held = gc.get_referents(waiting) if type(waiting).__name__ in _BETWEEN else ()
    return next((each for each in held if any(hasattr(each, name) for name in _NEXT)), None)
