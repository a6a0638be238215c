"""A clock that tests move by hand, so that no test ever waits."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

SETTLE_TURNS = 40
"""Turns of the loop given to woken code; the longest chain of guards needs about ten."""


class FakeClock:
    """Implements ``holdfast.core.clock.Clock``; time stands still until ``advance`` is awaited.

    Sleepers wake in the order of their times, and each one's consequences run before the next wakes, so a sleep that
    starts inside an ``advance`` and ends within it wakes in that same ``advance``.
    """

    def __init__(self, start: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self._now = start
        self._wall_offset = wall - start
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds, as last moved by ``advance``."""
        return self._now

    def wall(self) -> float:
        """Seconds since the epoch; moves together with ``now``."""
        return self._now + self._wall_offset

    @property
    def sleeping(self) -> int:
        """How many sleeps are under way."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return once ``advance`` has moved ``seconds`` past this moment; at least one turn of the loop passes."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move time forward by ``seconds``, waking every sleeper on the way. Raises ``ValueError`` when negative."""
        if seconds < 0:
            raise ValueError("time moves forward only")
        target = self._now + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            when, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._now = max(self._now, when)
            future.set_result(None)
            await self.settle()
        self._now = target

    async def settle(self) -> None:
        """Let everything that is ready run, without moving time."""
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)
