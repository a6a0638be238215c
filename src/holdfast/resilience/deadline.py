"""Answer on time, whatever the work does: cancel, wait a little, then abandon and count the orphan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from holdfast.core.clock import Clock
from holdfast.errors import Busy, DeadlineExceeded

T = TypeVar("T")

GRACE = 0.05
"""Seconds that cancelled work gets to clean up before it is abandoned; what a late answer may be late by."""


async def by(
    deadline: float,
    clock: Clock,
    work: Coroutine[Any, Any, T],
    *,
    grace: float = GRACE,
    on_orphan: Callable[[asyncio.Task[Any]], None],
) -> T:
    """Return what ``work`` returns, or raise ``DeadlineExceeded`` when ``clock.now()`` reaches ``deadline``.

    ``asyncio.timeout`` waits for as long as the work likes when it swallows ``CancelledError`` (measured: 0.2 s
    became 3.02 s). Here the work runs in a task of its own, with a copy of this context, and after ``grace`` seconds
    it is handed to ``on_orphan``, who must own it from then on. A result that is ready when the deadline strikes
    wins. Cancelling the caller cancels the work in the same way. Work that was never started is closed.
    """
    if deadline <= clock.now():
        work.close()
        raise late()
    task = asyncio.get_running_loop().create_task(contained(work))
    try:
        await asyncio.sleep(0)  # one turn: work that never suspends is done after it and pays for no timer
        if not task.done():
            await until(task, clock, deadline - clock.now())
    except asyncio.CancelledError:
        await _stop(task, clock, grace, on_orphan)
        raise
    if not task.done():
        await _stop(task, clock, grace, on_orphan)
        raise late()
    return outcome(task)


def late() -> DeadlineExceeded:
    """The one refusal for a deadline that has passed."""
    return DeadlineExceeded("the call took longer than its time limit; ask for less, or ask for a higher limit")


async def until(target: asyncio.Future[Any], clock: Clock, seconds: float) -> None:
    """Return when ``target`` is done or ``seconds`` have passed by ``clock``; ``target`` itself is left alone."""
    woken = asyncio.get_running_loop().create_future()

    def wake(_: object = None) -> None:
        if not woken.done():
            woken.set_result(None)

    timer = _timer(clock, max(0.0, seconds), wake)
    target.add_done_callback(wake)
    try:
        await woken
    finally:
        timer.cancel()
        target.remove_done_callback(wake)


def _timer(clock: Clock, seconds: float, wake: Callable[[object], None]) -> asyncio.TimerHandle | asyncio.Task[None]:
    """Call ``wake`` after ``seconds``; the machine's clock needs no task for that, which saves 40 us a call."""
    loop = asyncio.get_running_loop()
    if clock.sleep is asyncio.sleep:
        return loop.call_later(seconds, wake, None)
    task: asyncio.Task[None] = loop.create_task(clock.sleep(seconds))
    task.add_done_callback(wake)
    return task


async def contained(work: Coroutine[Any, Any, T]) -> T:
    """Keep ``sys.exit()`` and the like inside the call: raised in a task, they would end the event loop."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as attempt:
        raise RuntimeError("the work tried to end the process") from attempt


def outcome(task: asyncio.Task[T]) -> T:
    """The finished task's result or exception; a task that cancelled itself must not look like a cancelled caller."""
    if task.cancelled():
        raise RuntimeError("the work cancelled itself")
    return task.result()


async def _stop(
    task: asyncio.Task[Any], clock: Clock, grace: float, on_orphan: Callable[[asyncio.Task[Any]], None]
) -> None:
    """Cancel, wait ``grace``, and hand over what still runs, even when this wait is cancelled in its turn."""
    task.add_done_callback(_retrieve)
    task.cancel()
    try:
        await until(task, clock, grace)
    finally:
        if not task.done():
            on_orphan(task)


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Look at the exception, so that an abandoned task never ends as "exception was never retrieved"."""
    if not task.cancelled():
        task.exception()


class Orphans:
    """Owns abandoned tasks until they end; asyncio itself keeps only weak references.

    An abandoned task cannot be un-started, so ``add`` always takes it; the bound is kept at the door instead: callers
    ask ``check`` before new work starts, so there are never more than ``limit`` plus what was running at that time.
    """

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def count(self) -> int:
        """Abandoned tasks that still run."""
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether so many run that no new work should start."""
        return len(self._tasks) >= self._limit

    def check(self) -> None:
        """Raise ``Busy`` (code ``deadline.orphans``) when ``full``."""
        if self.full:
            raise Busy("too many abandoned calls still run; try again later", retry_after=5.0, code="deadline.orphans")

    def add(self, task: asyncio.Task[Any]) -> None:
        """Own ``task`` until it ends; fits ``by(on_orphan=...)``."""
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self, timeout: float) -> int:  # noqa: ASYNC109 - what is left after it is counted, not raised
        """Cancel them all once more, wait up to ``timeout`` seconds, and return how many still run."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)
        return len(self._tasks)
