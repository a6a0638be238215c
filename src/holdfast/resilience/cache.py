"""Answer identical calls once: a bounded cache with times to live, and one origin call for all who ask at once."""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from typing import Any, TypeVar

from holdfast.core.clock import Clock
from holdfast.resilience.deadline import contained, outcome

T = TypeVar("T")

_MEASURED_PARTS = 10_000
"""Parts of a value that are measured; a value with more is too large to be worth keeping."""


def size_of(value: object) -> int:
    """About how many bytes a plain result takes (strings, numbers and containers of them, or models)."""
    total = 0
    pending: list[object] = [value]
    for _ in range(_MEASURED_PARTS):
        if not pending:
            return total
        part = pending.pop()
        total += sys.getsizeof(part, 64)
        if isinstance(part, Mapping):
            pending.extend(part.keys())
            pending.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            pending.extend(part)
        else:
            pending.extend(_attributes(part))
    return sys.maxsize


def _attributes(part: object) -> list[object]:
    """What an object holds, in its dictionary or in slots; a type is nobody's to measure."""
    if isinstance(part, type):
        return []
    slots = [getattr(kind, "__slots__", ()) for kind in type(part).__mro__]
    names = [name for names in slots for name in ((names,) if isinstance(names, str) else names)]
    held = [getattr(part, name, None) for name in ("__dict__", *names)]
    return [each for each in held if each is not None]


class _Flight:
    """One origin call, until when others may join it, and how many callers wait for it."""

    __slots__ = ("task", "until", "waiters")

    def __init__(self, task: asyncio.Task[Any], until: float | None) -> None:
        self.task = task
        self.until = until
        self.waiters = 0


class CoalescingCache:
    """Holds up to ``max_entries`` values of up to ``max_bytes`` in all; the least recently used go first.

    The key must hold everything that the answer depends on, the caller's identity included. Values are handed out as
    they are, not copied: treat them as read-only. Failures are shared by those who waited and never kept.
    Origin calls under way are bounded by the callers that wait for them. Belongs to one event loop.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_entries: int = 1_024,
        max_bytes: int = 16 * 1024 * 1024,
        size: Callable[[Any], int] = size_of,
    ) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._size = size
        self._entries: OrderedDict[Hashable, tuple[float, int, Any]] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._ending: set[asyncio.Task[Any]] = set()
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self.coalesced = 0

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
        entry = self._entries.get(key)
        if entry is not None:
            if entry[0] > self._clock.now():
                self._entries.move_to_end(key)
                self.hits += 1
                return entry[2]  # type: ignore[no-any-return]  # whoever uses the key knows the value's type
            self._drop(key)
        value: T = await self._join(self._flight(key, ttl, make, until), key)
        return value

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
        flight = _Flight(asyncio.get_running_loop().create_task(contained(_call(make))), until)
        self._flights[key] = flight
        flight.task.add_done_callback(lambda task: self._land(key, ttl, task))
        return flight

    async def _join(self, flight: _Flight, key: Hashable) -> Any:
        flight.waiters += 1
        try:
            await asyncio.wait((flight.task,))  # unlike awaiting the task, this leaves it alone when cancelled
        except asyncio.CancelledError:
            if flight.waiters == 1 and not flight.task.done():
                await self._end(flight, key)
            raise
        finally:
            flight.waiters -= 1
        return outcome(flight.task)

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
        if not task.cancelled() and task.exception() is None and ttl > 0:
            self._keep(key, ttl, task.result())

    def _keep(self, key: Hashable, ttl: float, value: Any) -> None:
        size = self._size(value)
        if size > self._max_bytes:
            return
        self._entries[key] = (self._clock.now() + ttl, size, value)
        self.bytes += size
        while len(self._entries) > self._max_entries or self.bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        self.bytes -= self._entries.pop(key)[1]


def _call(make: Callable[[], Awaitable[T]]) -> Coroutine[Any, Any, T]:
    async def origin() -> T:
        return await make()

    return origin()
