"""How many calls of a tool may run and how many may wait; the rest are told to come back."""

from __future__ import annotations

import asyncio
from math import inf

from holdfast.core.clock import Clock
from holdfast.core.limits import PRIORITIES
from holdfast.errors import Busy, Overloaded
from holdfast.resilience.deadline import late
from holdfast.resilience.line import Line, Waiter
from holdfast.resilience.timers import until

NORMAL = PRIORITIES.index("normal")
_SMOOTHING = 0.2
"""Weight of the newest interval in the drain estimate; the same as Netflix's Gradient2 uses."""
_RETRY_BOUNDS = (0.1, 30.0)
"""Seconds; a caller is never told to come back at once or in more than half a minute."""


class Bulkhead:
    """``running`` places and a queue of ``queue`` waiters (semantics of resilience4j), served by rank, then by age.

    A rank is an index of ``PRIORITIES``; among waiters of one rank the first come is the first served, but those who
    have spent half of their time in line come last; no rank is passed over for ever (``line.PATIENCE``).

    Whoever entered calls ``leave`` exactly once, when the work has *really* ended: for abandoned work, that is when
    the orphan ends, not when its caller was answered. Belongs to one event loop; only ``classes`` may be set from
    another thread.
    """

    def __init__(self, running: int, queue: int, clock: Clock) -> None:
        if running < 1 or queue < 0:
            raise ValueError("a bulkhead needs at least one running place and a queue of zero or more")
        self._places = running
        self._at_once = running
        """As ``_places``; 0 while some ranks are refused, so that everybody is looked at before entering."""
        self._classes = len(PRIORITIES)
        self._queue = queue
        self._clock = clock
        self._running = 0
        self._line = Line()  # up to ``queue``, none of them granted or dropped yet; while one waits, no place is free
        self._left_at: float | None = None
        self._interval = 1.0

    @property
    def places(self) -> int:
        """How many may run; fewer than run now, for a while, after ``resize``."""
        return self._places

    @property
    def running(self) -> int:
        """Places taken."""
        return self._running

    @property
    def queued(self) -> int:
        """Callers waiting."""
        return self._line.count

    @property
    def classes(self) -> int:
        """How many ranks are let in: 3 is everybody, 1 only the highest."""
        return self._classes

    @classes.setter
    def classes(self, count: int) -> None:
        """Let in the first ``count`` ranks: waiters of others are sent away with the next place that comes free.

        While any is refused, ``try_enter_with`` always says no, so that callers go where they are asked for their rank.
        """
        self._classes = count
        self._at_once = self._places if count >= len(PRIORITIES) else 0

    def try_enter(self) -> bool:
        """Take a place if one is free; then nobody waits, because a place that comes free goes to the first in line."""
        if self._running < self._places:
            self._running += 1
            return True
        return False

    def try_enter_with(self, other: Bulkhead) -> bool:
        """Take a place here and one there if both are free and ``other`` refuses no rank, or neither."""
        if self._running < self._places and other._running < other._at_once:
            self._running += 1
            other._running += 1
            return True
        return False

    async def enter(self, deadline: float | None, rank: int = NORMAL) -> None:
        """Take a place, without suspending when one is free; otherwise wait in line.

        ``deadline`` is a time of the clock. Raises ``Busy`` with ``retry_after`` when the queue is full of callers
        of this rank or a higher one that can still be served in time, and ``DeadlineExceeded`` when the deadline
        passes in the queue. In a full queue the newest waiter of a lower rank makes room, with ``Overloaded``; so does
        every waiter whose rank is refused (``classes``). A cancelled waiter leaves no trace.
        """
        if self.try_enter():
            return
        if self._line.count >= self._queue:
            self._make_room(rank)
        waiter = Waiter(deadline, rank, self._clock.now())
        self._line.append(waiter)
        await self._wait(waiter)

    def leave(self) -> None:
        """Give the place back; the next waiter whose deadline has not passed gets it. Raises ``RuntimeError``."""
        if self._running != self._places:
            if self._running < 1:
                raise RuntimeError("leave() without enter()")
            self._running -= 1
            self._left_at = None  # a place was free: the time until the next one comes free would say nothing
            return
        now = self._clock.now()
        self._measure(now)
        if not (self._line.count and self._let_in(now)):  # else the place changes hands and is never free in between
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

    def resize(self, places: int) -> None:
        """Let ``places`` run from now on: waiters get the new ones at once; nobody who runs is stopped."""
        if places < 1:
            raise ValueError("a bulkhead needs at least one running place")
        if places == self._places:
            return
        self._places = places
        self.classes = self._classes
        now = self._clock.now()
        while self._running < places and self._let_in(now):
            self._running += 1

    def waited(self) -> float:
        """Seconds that the longest waiter has waited; those whose deadline has passed are dropped first."""
        now = self._clock.now()
        self._line.drop_expired(now)
        return max(0.0, now - self._line.oldest(now))

    def retry_after(self) -> float:
        """Seconds after which a place is likely to be free, by the pace at which they came free lately."""
        low, high = _RETRY_BOUNDS
        return min(high, max(low, self._interval * (self._line.count + 1)))

    def _let_in(self, now: float) -> bool:
        """Give a place to the next in line. All whose rank is refused or whose deadline has passed are sent away."""
        for rank in range(self._classes, len(PRIORITIES)):
            for waiter in self._line.clear(rank):
                waiter.drop(overloaded(self.retry_after()))
        chosen = self._line.take(now)
        if chosen is not None:
            chosen.granted.set_result(None)
        return chosen is not None

    async def _wait(self, waiter: Waiter) -> None:
        granted = waiter.granted
        try:
            if waiter.deadline == inf:
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

    def _withdraw(self, waiter: Waiter) -> None:
        """Take a waiter out of the line, or give back the place that it was granted in the same turn."""
        if not waiter.granted.done():
            self._line.remove(waiter)
            waiter.granted.cancel()
        elif waiter.granted.exception() is None:
            self.leave()

    def _make_room(self, rank: int) -> None:
        self._line.drop_expired(self._clock.now())
        if self._line.count < self._queue:
            return
        last = self._line.newest_below(rank)
        if last is None:
            raise Busy("this tool is busy; try again later", retry_after=self.retry_after())
        self._line.remove(last)
        last.drop(overloaded(self.retry_after()))

    def _measure(self, now: float) -> None:
        """Learn how far apart places come free while the tool is full."""
        if self._left_at is not None and self._line.count:
            self._interval += _SMOOTHING * (now - self._left_at - self._interval)
        self._left_at = now


def overloaded(seconds: float) -> Overloaded:
    """The one refusal of a rank."""
    return Overloaded("the server has too much to do for this tool at the moment; try again later", retry_after=seconds)
