"""A second attempt beside one that is slow: the first answer wins, the other is cancelled, and both are few."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

from holdfast.core.clock import Clock
from holdfast.resilience import timers
from holdfast.resilience.deadline import contained, outcome
from holdfast.resilience.fallback import may_stand_in
from holdfast.resilience.handover import look_at

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]
After = float | Literal["p95"]

RATIO = 0.05
"""Second attempts for each call: those beyond the 95th percentile (Dean and Barroso, The Tail at Scale, 2013)."""
BURST = 5.0
"""Second attempts that may be saved up; the first call brings one."""
WINDOW = 128
"""Latest calls whose times make the percentile."""
LEAST = 20
"""Calls before there is a 95th percentile: the least number that has one."""
SOONEST = 0.01
"""Seconds: a second attempt that starts sooner costs more than it saves."""


class Latencies:
    """The times of the latest calls, in order."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Note one, and forget the oldest."""
        if len(self._latest) >= WINDOW:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(seconds)
        insort(self._sorted, seconds)

    def p95(self) -> float | None:
        """Seconds that 95 of 100 calls take at most; ``None`` while too few are known."""
        count = len(self._sorted)
        return None if count < LEAST else self._sorted[min(count - 1, count * 95 // 100)]


class Hedging:
    """Second attempts of one operation, on one event loop.

    ``after`` is in seconds, or "p95" of the operation's own times. ``own`` holds an attempt that was outrun until it
    has ended. ``spare`` says whether there is room for more than what was asked for.
    """

    def __init__(
        self,
        after: After,
        clock: Clock,
        own: Callable[[asyncio.Task[Any]], None],
        spare: Callable[[], bool] = lambda: True,
    ) -> None:
        self._after = after
        self._clock = clock
        self._own = own
        self._spare = spare
        self._latencies = Latencies()
        self._tokens = 1.0 - RATIO
        self.sent = 0
        self.won = 0

    async def run(self, first: Work[T], again: Work[T]) -> tuple[T, bool]:
        """What the first attempt to answer gives, and whether that was the second one.

        A failure that another answer may stand in for is none: then the other attempt decides, and when both fail
        so, the first one's failure is raised. Cancelled, both are, and this ends when they have ended.
        """
        self._tokens = min(BURST, self._tokens + RATIO)
        begun = self._clock.now()
        tasks = [_start(first)]
        try:
            await self._second(tasks, again)
            winner = await _answer(tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise
        finally:
            self._leave(tasks)
        if self._after == "p95" and _good(winner):
            self._latencies.add(self._clock.now() - begun)
        self.won += winner is not tasks[0]
        return outcome(winner), winner is not tasks[0]

    async def _second(self, tasks: list[asyncio.Task[T]], again: Work[T]) -> None:
        """Give the first attempt its time; if it has not ended then, begin the second where that can be afforded."""
        after = self._latencies.p95() if self._after == "p95" else self._after
        if after is None:
            return
        await timers.until(tasks[0], self._clock, max(SOONEST, after))
        if not tasks[0].done() and self._tokens >= 1 and self._spare():
            self._tokens -= 1
            self.sent += 1
            tasks.append(_start(again))

    def _leave(self, tasks: list[asyncio.Task[T]]) -> None:
        for task in tasks:
            if not task.done():
                task.cancel()
                self._own(task)


def _start(work: Work[T]) -> asyncio.Task[T]:
    task = asyncio.get_running_loop().create_task(contained(work()))
    task.add_done_callback(look_at)
    return task


async def _answer(tasks: list[asyncio.Task[T]]) -> asyncio.Task[T]:
    """The first that has something to say, or the first of all."""
    while pending := [task for task in tasks if not task.done()]:
        if said := next((task for task in tasks if task.done() and _says(task)), None):
            return said
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    return next((task for task in tasks if _says(task)), tasks[0])


def _says(task: asyncio.Task[Any]) -> bool:
    """Whether the attempt ended with an answer, or with a failure that is the caller's to hear."""
    if task.cancelled():
        return False
    failure = task.exception()
    return failure is None or (isinstance(failure, Exception) and not may_stand_in(failure))


def _good(task: asyncio.Task[Any]) -> bool:
    return not task.cancelled() and task.exception() is None
