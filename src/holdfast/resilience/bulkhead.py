"""How many calls of a tool may run and how many may wait; the rest are told to come back."""

from __future__ import annotations

import asyncio
from collections import deque

from holdfast.core.clock import Clock
from holdfast.errors import Busy
from holdfast.resilience.deadline import late
from holdfast.resilience.timers import until

_SMOOTHING = 0.2
"""Weight of the newest interval in the drain estimate; the same as Netflix's Gradient2 uses."""
_RETRY_BOUNDS = (0.1, 30.0)
"""Seconds; a caller is never told to come back at once or in more than half a minute."""


class _Waiter:
    __slots__ = ("deadline", "granted")

    def __init__(self, deadline: float | None) -> None:
        self.deadline = deadline
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def expired(self, now: float) -> bool:
        return self.deadline is not None and self.deadline <= now

    def drop(self) -> None:
        self.granted.set_exception(late())


class Bulkhead:
    """``running`` places and a first-in-first-out queue of ``queue`` waiters (semantics of resilience4j).

    Whoever entered calls ``leave`` exactly once, when the work has *really* ended: for abandoned work, that is when
    the orphan ends, not when its caller was answered. Belongs to one event loop.
    """

    def __init__(self, running: int, queue: int, clock: Clock) -> None:
        if running < 1 or queue < 0:
            raise ValueError("a bulkhead needs at least one running place and a queue of zero or more")
        self._places = running
        self._queue = queue
        self._clock = clock
        self._running = 0
        self._waiting: deque[_Waiter] = deque()  # up to ``queue``, none of them granted or dropped yet
        self._left_at: float | None = None
        self._interval = 1.0

    @property
    def running(self) -> int:
        """Places taken."""
        return self._running

    @property
    def queued(self) -> int:
        """Callers waiting."""
        return len(self._waiting)

    def try_enter(self) -> bool:
        """Take a place if one is free; then nobody waits, because a place that comes free goes to the first in line."""
        if self._running < self._places:
            self._running += 1
            return True
        return False

    def try_enter_with(self, other: Bulkhead) -> bool:
        """Take a place here and one there if both are free, or neither; ``try_enter`` of both at once."""
        if self._running < self._places and other._running < other._places:
            self._running += 1
            other._running += 1
            return True
        return False

    async def enter(self, deadline: float | None) -> None:
        """Take a place, without suspending when one is free; otherwise wait in line.

        ``deadline`` is a time of the clock. Raises ``Busy`` with ``retry_after`` when the queue is full of callers
        that can still be served in time, and ``DeadlineExceeded`` when the deadline passes in the queue. A cancelled
        waiter leaves no trace.
        """
        if self.try_enter():
            return
        if len(self._waiting) >= self._queue:
            self._drop_expired()
        if len(self._waiting) >= self._queue:
            raise Busy("this tool is busy; try again later", retry_after=self._retry_after())
        waiter = _Waiter(deadline)
        self._waiting.append(waiter)
        await self._wait(waiter)

    def leave(self) -> None:
        """Give the place back; the first waiter whose deadline has not passed gets it. Raises ``RuntimeError``."""
        if self._running < self._places:
            if self._running < 1:
                raise RuntimeError("leave() without enter()")
            self._running -= 1
            self._left_at = None  # a place was free: the time until the next one comes free would say nothing
            return
        now = self._clock.now()
        self._measure(now)
        while self._waiting:
            waiter = self._waiting.popleft()
            if waiter.expired(now):
                waiter.drop()
                continue
            waiter.granted.set_result(None)  # the place changes hands and is never free in between
            return
        self._running -= 1

    def leave_with(self, other: Bulkhead) -> None:
        """Give back the place there, then the one here; ``leave`` of both at once."""
        if 0 < self._running < self._places and 0 < other._running < other._places:
            self._running -= 1
            other._running -= 1
            self._left_at = other._left_at = None
            return
        try:
            other.leave()
        finally:
            self.leave()

    async def _wait(self, waiter: _Waiter) -> None:
        granted = waiter.granted
        try:
            if waiter.deadline is None:
                await asyncio.wait((granted,))
            else:
                await until(granted, self._clock, waiter.deadline - self._clock.now())
        except (asyncio.CancelledError, GeneratorExit):
            self._withdraw(waiter)
            raise
        if not granted.done():
            self._withdraw(waiter)
            raise late()
        granted.result()

    def _withdraw(self, waiter: _Waiter) -> None:
        """Take a waiter out of the line, or give back the place that it was granted in the same turn."""
        if not waiter.granted.done():
            self._waiting.remove(waiter)
            waiter.granted.cancel()
        elif waiter.granted.exception() is None:
            self.leave()

    def _drop_expired(self) -> None:
        now = self._clock.now()
        for waiter in [waiter for waiter in self._waiting if waiter.expired(now)]:
            self._waiting.remove(waiter)
            waiter.drop()

    def _measure(self, now: float) -> None:
        """Learn how far apart places come free while the tool is full."""
        if self._left_at is not None and self._waiting:
            self._interval += _SMOOTHING * (now - self._left_at - self._interval)
        self._left_at = now

    def _retry_after(self) -> float:
        low, high = _RETRY_BOUNDS
        return min(high, max(low, self._interval * (len(self._waiting) + 1)))
