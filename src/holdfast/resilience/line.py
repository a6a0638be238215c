"""Those who wait for a place, in the order in which they are served: by rank, then by age, and nobody for ever."""

from __future__ import annotations

import asyncio
from collections import deque

from holdfast.core.limits import PRIORITIES
from holdfast.errors import Refusal
from holdfast.resilience.deadline import late

PATIENCE = 8
"""Times in a row that a rank is passed over for higher ones before it has its turn. With three ranks, whoever is at
the head of one is among the next ``PATIENCE + 2`` served, however many of a higher rank keep coming."""


class Waiter:
    """One caller in line: until when and since when (times of the clock), its rank, and what it waits for."""

    __slots__ = ("deadline", "granted", "rank", "since")

    def __init__(self, deadline: float | None, rank: int, since: float) -> None:
        self.deadline = deadline
        self.rank = rank
        self.since = since
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def expired(self, now: float) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and self.deadline <= now

    def drop(self, refusal: Refusal) -> None:
        """Send it away, once it is out of the line."""
        self.granted.set_exception(refusal)


class Line:
    """A first-in-first-out queue for each rank. Its owner bounds it."""

    __slots__ = ("_passed", "_ranks")

    def __init__(self) -> None:
        self._ranks: tuple[deque[Waiter], ...] = tuple(deque() for _ in PRIORITIES)
        self._passed = [0] * len(PRIORITIES)

    def __len__(self) -> int:
        high, normal, low = self._ranks
        return len(high) + len(normal) + len(low)

    def append(self, waiter: Waiter) -> None:
        """Join the end of its rank."""
        rank = self._ranks[waiter.rank]
        if not rank:
            self._passed[waiter.rank] = 0
        rank.append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Leave the line before being served."""
        self._ranks[waiter.rank].remove(waiter)

    def take(self, now: float) -> Waiter | None:
        """The next to be served, out of the line; of those ahead of it, the expired are dropped."""
        for rank in self._ranks:
            while rank and rank[0].expired(now):
                rank.popleft().drop(late())
        waiting = [number for number, rank in enumerate(self._ranks) if rank]
        if not waiting:
            return None
        passed = self._passed
        longest = max(waiting, key=passed.__getitem__)
        chosen = longest if passed[longest] >= PATIENCE else waiting[0]
        for number in waiting:
            passed[number] += 1
        passed[chosen] = 0
        return self._ranks[chosen].popleft()

    def clear(self, number: int) -> list[Waiter]:
        """All of one rank, out of the line."""
        rank = self._ranks[number]
        waiters = list(rank)
        rank.clear()
        return waiters

    def newest_below(self, number: int) -> Waiter | None:
        """The last of the lowest rank beneath ``number``."""
        return next((rank[-1] for rank in reversed(self._ranks[number + 1 :]) if rank), None)

    def oldest(self, now: float) -> float:
        """Since when the longest has waited; ``now`` if nobody waits."""
        return min((rank[0].since for rank in self._ranks if rank), default=now)

    def drop_expired(self, now: float) -> None:
        """Send away everybody whose deadline has passed."""
        for rank in self._ranks:
            for waiter in [waiter for waiter in rank if waiter.expired(now)]:
                rank.remove(waiter)
                waiter.drop(late())
