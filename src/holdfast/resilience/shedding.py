"""Which tools are left for later while the server has too much to do: the lowest priority first."""

from __future__ import annotations

import threading
from collections.abc import Callable

from holdfast.core.clock import Clock
from holdfast.core.limits import PRIORITIES
from holdfast.resilience.bulkhead import Bulkhead, overloaded

MOST = len(PRIORITIES) - 1
"""The highest level: only tools of high priority are served. They are never refused for shedding."""
SOURCES = 16
"""Reasons for shedding that are kept apart."""
_LEAST_RETRY = 1.0
"""Seconds: the least time after which an overload that somebody else saw is worth another try."""


class Shedding:
    """``level`` 0 refuses nobody, 1 tools of low priority, 2 those of normal priority too.

    Whoever sees that the server cannot keep up (the watchdog: lag, memory) sets ``level``, or calls ``press`` where
    there are several that must not undo each other; from any thread. Nothing is undone by itself: who raised the
    level lowers it again. What the server's own queue tells is seen here: while more than ``queue`` calls wait for
    one of ``total``'s places, or one has waited for ``wait`` seconds, tools of low priority are refused too.

    The ``level`` holds for ``others`` too, the bulkheads of what runs elsewhere. ``on_change(before, after)`` is called
    in the thread that changed the level, and must not raise.
    """

    def __init__(
        self,
        total: Bulkhead,
        clock: Clock,
        *others: Bulkhead,
        queue: int,
        wait: float,
        on_change: Callable[[int, int], None] | None = None,
    ) -> None:
        self._total = total
        self._all = (total, *others)
        self._clock = clock
        self._queue = queue
        self._wait = wait
        self._on_change = on_change
        self._pressure: dict[str, int] = {}
        self._level = 0
        self._lock = threading.Lock()

    @property
    def level(self) -> int:
        """The highest level that anybody asks for: 0, 1 or 2."""
        return self._level

    @level.setter
    def level(self, level: int) -> None:
        """As ``press("", level)``."""
        self.press("", level)

    def press(self, source: str, level: int) -> None:
        """Ask for ``level`` for the reason ``source``, in place of what it asked for before; 0 withdraws it.

        Raises ``ValueError`` for another level, and past 16 sources.
        """
        if level not in range(MOST + 1):
            raise ValueError(f"a level of shedding is 0 to {MOST}")
        with self._lock:
            if level:
                if source not in self._pressure and len(self._pressure) >= SOURCES:
                    raise ValueError(f"at most {SOURCES} reasons for shedding are kept apart")
                self._pressure[source] = level
            else:
                self._pressure.pop(source, None)
            before, self._level = self._level, max(self._pressure.values(), default=0)
            for bulkhead in self._all:
                bulkhead.classes = len(PRIORITIES) - self._level
            changed = (before, self._level)
        if self._on_change is not None and changed[0] != changed[1]:
            self._on_change(*changed)

    def check(self, rank: int) -> None:
        """Raise ``Overloaded`` with ``retry_after`` when calls of ``rank`` are refused now. On the loop.

        Need not be asked while ``total`` has a free place and the level is 0 (see ``Bulkhead.try_enter_with``).
        """
        if rank >= len(PRIORITIES) - self._level:
            raise overloaded(max(_LEAST_RETRY, self._total.retry_after()))
        if rank == MOST and self._total.queued and self._behind():
            raise overloaded(self._total.retry_after())

    def _behind(self) -> bool:
        """Whether the queue says that the server cannot keep up; those whose time has passed are dropped first."""
        waited = self._total.waited()
        return self._total.queued > self._queue or waited >= self._wait
