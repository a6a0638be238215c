"""Answer identical calls once: kept values, fresh or stale while they are renewed, and one origin call for all."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from holdfast.core.clock import Clock
from holdfast.resilience import timers
from holdfast.resilience.deadline import contained, outcome
from holdfast.resilience.fallback import RESERVED, forbids, may_stand_in
from holdfast.resilience.sizes import size_of

__all__ = ["CoalescingCache", "Terms", "size_of"]

T = TypeVar("T")
MAX_RENEWALS = 8
"""Values that one cache renews at once in the background: half of the places that a tool has by default."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a value may be given again. Seconds.

    ttl             as fresh
    stale           after that, at once, while one background call renews it (RFC 5861, stale-while-revalidate)
    stale_on_error  after ``ttl``, in place of a failure or of an answer that takes too long (RFC 5861, stale-if-error)
    """

    ttl: float
    stale: float = 0.0
    stale_on_error: float = 0.0


class _Entry(NamedTuple):
    made: float
    fresh_until: float
    size: int
    value: Any


class _Flight:
    """One origin call, until when others may join it, and how many callers wait for it."""

    __slots__ = ("owned", "task", "until", "waiters")

    def __init__(self, task: asyncio.Task[Any], until: float | None) -> None:
        self.task = task
        self.until = until
        self.waiters = 0
        self.owned = False
        """Whether it goes on although nobody waits for it."""


class CoalescingCache:
    """Holds up to ``max_entries`` values of up to ``max_bytes`` in all; the least recently used go first.

    The key must hold everything that the answer depends on, the caller's identity included. Values are handed out as
    they are, not copied: treat them as read-only. Failures are shared by those who waited and never kept.
    Origin calls under way are bounded by the callers that wait for them, and by ``MAX_RENEWALS``. What nobody waits
    for is handed to ``own``, which holds it until it ends and cancels it when the server stops.
    Belongs to one event loop.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_entries: int = 1_024,
        max_bytes: int = 16 * 1024 * 1024,
        size: Callable[[Any], int] = size_of,
        own: Callable[[asyncio.Task[Any]], None] | None = None,
    ) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._size = size
        self._own = own
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._ending: set[asyncio.Task[Any]] = set()
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self.coalesced = 0
        self.stale = 0
        self.renewing = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def flights(self) -> int:
        """Origin calls under way, those that were given up and still end included."""
        return len(self._flights) + len(self._ending)

    async def get(self, key: Hashable, ttl: float, make: Callable[[], Awaitable[T]], until: float | None = None) -> T:
        """The kept value, or that of one ``make()`` shared by all who ask meanwhile, kept for ``ttl`` seconds.

        ``until`` is when (by the clock) an origin call that is begun now should have ended: nobody joins it after
        that, so one that hangs is given up as soon as those have left who wait for it, however many keep coming.

        The origin call runs in a task of its own, in the context of whoever asked first. A cancelled caller leaves
        the others unharmed; when the last one is cancelled, so is the origin call, and that caller's ``get`` ends
        only when it really ended.
        """
        return (await self.ask(key, Terms(ttl), make, until))[0]

    async def ask(
        self,
        key: Hashable,
        terms: Terms,
        make: Callable[[], Awaitable[T]],
        until: float | None = None,
        renew: Callable[[], Awaitable[T]] | None = None,
    ) -> tuple[T, float | None]:
        """As ``get``, and how many seconds old the value is if it is stale; ``None`` for a fresh one.

        A value that is past its ``ttl`` by less than ``terms.stale`` is given at once, and ``renew()`` is called in
        the background, once however many ask. ``renew`` must end by itself, and tells whoever is to know of failures.
        By less than ``terms.stale_on_error``, it is given when the origin call fails in a way that another answer may
        stand in for, or has not ended when a fifth of the time to ``until`` is left. A call or a renewal that is
        forbidden what was allowed before takes the old value away.
        """
        entry = self._entries.get(key)
        if entry is None:
            return await self._join(self._flight(key, terms.ttl, make, until), key), None
        now = self._clock.now()
        past = now - entry.fresh_until
        if past < 0:
            self._entries.move_to_end(key)
            self.hits += 1
            return entry.value, None
        if past < terms.stale:
            self._entries.move_to_end(key)
            self.stale += 1
            self._renew(key, terms.ttl, renew)
            return entry.value, now - entry.made
        if past < terms.stale_on_error:
            return await self._or_else(self._flight(key, terms.ttl, make, until), key, entry, until)
        self._drop(key)
        return await self._join(self._flight(key, terms.ttl, make, until), key), None

    def clear(self) -> None:
        """Forget all values; origin calls go on."""
        self._entries.clear()
        self.bytes = 0

    def shrink(self, keep: float = 0.5) -> int:
        """Forget the least recently used until the share ``keep`` of the bytes is left; returns the bytes freed."""
        before = self.bytes
        while self._entries and self.bytes > keep * before:
            self._drop(next(iter(self._entries)))
        return before - self.bytes

    def _flight(self, key: Hashable, ttl: float, make: Callable[[], Awaitable[T]], until: float | None) -> _Flight:
        flight = self._flights.get(key)
        if flight is not None:
            if flight.until is None or self._clock.now() < flight.until:
                self.coalesced += 1
                return flight
            self._retire(flight, key)
        self.misses += 1
        return self._begin(key, ttl, make, until)

    def _begin(self, key: Hashable, ttl: float, make: Callable[[], Awaitable[T]], until: float | None) -> _Flight:
        flight = _Flight(asyncio.get_running_loop().create_task(contained(_call(make))), until)
        self._flights[key] = flight
        flight.task.add_done_callback(lambda task: self._land(key, ttl, task))
        return flight

    def _renew(self, key: Hashable, ttl: float, renew: Callable[[], Awaitable[Any]] | None) -> None:
        """Begin an origin call that nobody waits for, unless one is under way or so many are."""
        if renew is None or self._own is None or key in self._flights or self.renewing >= MAX_RENEWALS:
            return
        flight = self._begin(key, ttl, renew, None)
        flight.owned = True
        self.renewing += 1
        flight.task.add_done_callback(self._renewed)
        self._own(flight.task)

    def _renewed(self, _: object) -> None:
        self.renewing -= 1

    async def _join(self, flight: _Flight, key: Hashable) -> Any:
        await self._wait(flight, key, None)
        return outcome(flight.task)

    async def _or_else(
        self, flight: _Flight, key: Hashable, entry: _Entry, until: float | None
    ) -> tuple[Any, float | None]:
        """What the origin call gives in time, or the old value in place of a failure."""
        await self._wait(flight, key, until)
        if flight.task.done():
            try:
                return outcome(flight.task), None
            except Exception as failure:  # boundary: whatever the origin call failed with, the old value is there
                if forbids(failure) or not may_stand_in(failure):
                    raise
        elif flight.waiters == 0 and not flight.owned:
            self._give_up(flight, key)
        self.stale += 1
        return entry.value, self._clock.now() - entry.made

    async def _wait(self, flight: _Flight, key: Hashable, until: float | None) -> None:
        """Wait for the end of the origin call, or until only the reserved share of the time to ``until`` is left."""
        flight.waiters += 1
        try:
            if until is None:
                await asyncio.wait((flight.task,))  # unlike awaiting the task, this leaves it alone when cancelled
            else:
                await timers.until(flight.task, self._clock, (until - self._clock.now()) * (1 - RESERVED))
        except asyncio.CancelledError:
            if flight.waiters == 1 and not flight.owned and not flight.task.done():
                await self._end(flight, key)
            raise
        finally:
            flight.waiters -= 1

    def _give_up(self, flight: _Flight, key: Hashable) -> None:
        """Cancel the origin call that took too long, without waiting for its end."""
        self._retire(flight, key)
        flight.task.cancel()
        if self._own is not None:
            self._own(flight.task)

    async def _end(self, flight: _Flight, key: Hashable) -> None:
        """Cancel the origin call that nobody wants any more; newcomers start a fresh one."""
        self._retire(flight, key)
        flight.task.cancel()
        await asyncio.wait((flight.task,))

    def _retire(self, flight: _Flight, key: Hashable) -> None:
        """From now on nobody joins it, and its value is not kept."""
        if self._flights.get(key) is flight:
            del self._flights[key]
            self._ending.add(flight.task)
            flight.task.add_done_callback(self._ending.discard)

    def _land(self, key: Hashable, ttl: float, task: asyncio.Task[Any]) -> None:
        flight = self._flights.get(key)
        if flight is None or flight.task is not task:
            if not task.cancelled():
                task.exception()  # nobody is left to hear of it
            return
        del self._flights[key]
        if task.cancelled():
            return
        failure = task.exception()
        if failure is None and ttl > 0:
            self._keep(key, ttl, task.result())
        elif failure is not None and forbids(failure) and key in self._entries:
            self._drop(key)

    def _keep(self, key: Hashable, ttl: float, value: Any) -> None:
        size = self._size(value)
        if size > self._max_bytes:
            return
        if key in self._entries:
            self._drop(key)
        now = self._clock.now()
        self._entries[key] = _Entry(now, now + ttl, size, value)
        self.bytes += size
        while len(self._entries) > self._max_entries or self.bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        self.bytes -= self._entries.pop(key).size


def _call(make: Callable[[], Awaitable[T]]) -> Coroutine[Any, Any, T]:
    async def origin() -> T:
        return await make()

    return origin()
