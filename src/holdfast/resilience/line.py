"""Those who wait for a place, in the order in which they are served: by rank, then by age, and nobody for ever."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from math import inf

from holdfast.core.limits import PRIORITIES
from holdfast.errors import Refusal
from holdfast.resilience.deadline import late

PATIENCE = 8
"""Times in a row that a rank is passed over for higher ones before it has its turn. With three ranks, one in which
somebody waits is among the next ``PATIENCE + 2`` served, however many of a higher rank keep coming."""
FRESH = 0.5
"""Part of the time that it had on joining for which a waiter goes before those who have waited longer than that. In a
standing queue the first in line is the one with the least time left, so that most work is begun too late to be of use:
at three times the load, half of what ran (measured; docs/decisions/0012)."""


class Waiter:
    """One caller in line: until when and since when (times of the clock), its rank, and what it waits for."""

    __slots__ = ("deadline", "fresh_until", "granted", "rank", "since")

    def __init__(self, deadline: float | None, rank: int, since: float) -> None:
        self.deadline = inf if deadline is None else deadline
        self.fresh_until = inf if deadline is None else since + FRESH * (deadline - since)
        self.rank = rank
        self.since = since
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def drop(self, refusal: Refusal) -> None:
        """Send it away, once it is out of the line."""
        self.granted.set_exception(refusal)


class _Rank:
    """The waiters of one rank: first those who have most of their time left, then the others, each by age."""

    __slots__ = ("fresh", "passed", "tired")

    def __init__(self) -> None:
        self.fresh: deque[Waiter] = deque()
        self.tired: deque[Waiter] = deque()
        self.passed = 0

    def __len__(self) -> int:
        return len(self.fresh) + len(self.tired)

    def __iter__(self) -> Iterator[Waiter]:
        yield from self.tired
        yield from self.fresh

    def remove(self, waiter: Waiter) -> None:
        (self.fresh if waiter in self.fresh else self.tired).remove(waiter)

    def sort(self, now: float) -> int:
        """Bring those at the front to where they belong by now; how many were dropped because they are late."""
        dropped = 0
        while self.fresh and self.fresh[0].fresh_until <= now:
            self.tired.append(self.fresh.popleft())
        while self.tired and self.tired[0].deadline <= now:
            self.tired.popleft().drop(late())
            dropped += 1
        return dropped

    def pop(self) -> Waiter:
        return (self.fresh or self.tired).popleft()


class Line:
    """A queue for each rank. Its owner bounds it; ``count`` is how many wait, without a call."""

    __slots__ = ("_ranks", "count")

    def __init__(self) -> None:
        self._ranks = tuple(_Rank() for _ in PRIORITIES)
        self.count = 0

    def append(self, waiter: Waiter) -> None:
        """Join the end of its rank."""
        rank = self._ranks[waiter.rank]
        if not rank:
            rank.passed = 0
        rank.fresh.append(waiter)
        self.count += 1

    def remove(self, waiter: Waiter) -> None:
        """Leave the line before being served."""
        self._ranks[waiter.rank].remove(waiter)
        self.count -= 1

    def take(self, now: float) -> Waiter | None:
        """The next to be served, out of the line; of those ahead of it, the expired are dropped."""
        for rank in self._ranks:
            self.count -= rank.sort(now)
        waiting = [rank for rank in self._ranks if rank]
        if not waiting:
            return None
        longest = max(waiting, key=lambda rank: rank.passed)
        chosen = longest if longest.passed >= PATIENCE else waiting[0]
        for rank in waiting:
            rank.passed += 1
        chosen.passed = 0
        self.count -= 1
        return chosen.pop()

    def clear(self, number: int) -> list[Waiter]:
        """All of one rank, out of the line."""
        rank = self._ranks[number]
        waiters = list(rank)
        rank.fresh.clear()
        rank.tired.clear()
        self.count -= len(waiters)
        return waiters

    def newest_below(self, number: int) -> Waiter | None:
        """The last of the lowest rank beneath ``number``."""
        return next(((rank.fresh or rank.tired)[-1] for rank in reversed(self._ranks[number + 1 :]) if rank), None)

    def oldest(self, now: float) -> float:
        """Since when the longest has waited; ``now`` if nobody waits."""
        return min((next(iter(rank)).since for rank in self._ranks if rank), default=now)

    def drop_expired(self, now: float) -> None:
        """Send away everybody whose deadline has passed."""
        for rank in self._ranks:
            for waiter in [waiter for waiter in rank if waiter.deadline <= now]:
                self.remove(waiter)
                waiter.drop(late())
