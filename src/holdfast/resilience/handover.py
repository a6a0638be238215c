"""Goes on with a suspended coroutine in a task of its own, where nothing but its own end may come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any


def renamed(error: BaseException) -> BaseException:
    """What ends a work, as it may be raised in the caller's task: neither its end nor its cancellation."""
    if isinstance(error, asyncio.CancelledError):
        return RuntimeError("the work cancelled itself")
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return RuntimeError("the work tried to end the process")
    return error


async def rest_of(work: Coroutine[Any, Any, Any], awaited: Any, again: bool) -> Any:
    """What is left of a work, for a task of its own; it waits once before it begins, which is taken before the task."""
    try:
        return await _resumed(work, awaited, again)
    except (SystemExit, KeyboardInterrupt) as attempt:  # raised in a task, they would end the event loop
        raise renamed(attempt) from attempt


@coroutine
def _resumed(work: Coroutine[Any, Any, Any], awaited: Any, again: bool) -> Generator[Any, None, Any]:
    """Go on with a work that waits for ``awaited``; ``again`` when another task has waited for it already."""
    # the first wait is taken at the hand-over, so that the work hears of a cancellation before the task's first turn
    thrown = yield from _woken_with(work, None)
    if thrown is None:
        if again:
            awaited._asyncio_future_blocking = True
        thrown = yield from _woken_with(work, awaited)
    while thrown is not None:
        try:
            awaited = work.throw(thrown)
        except StopIteration as stop:
            return stop.value
        thrown = yield from _woken_with(work, awaited)
    return (yield from work)


def _woken_with(work: Coroutine[Any, Any, Any], awaited: Any) -> Generator[Any, None, BaseException | None]:
    try:
        yield awaited
    except GeneratorExit:
        work.close()
        raise
    except BaseException as thrown:  # boundary: whatever the task was woken with is the work's to hear
        return thrown
    return None


def look_at(task: asyncio.Task[Any]) -> None:
    """Look at the exception, so that an abandoned task never ends as "exception was never retrieved"."""
    if not task.cancelled():
        task.exception()
