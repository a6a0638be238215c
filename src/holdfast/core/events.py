"""Things that happened, told to whoever asked; a subscriber that raises or hangs hurts nobody.

Names: ``tool.started``, ``tool.completed``, ``tool.failed``, ``tool.refused``, ``server.started``,
``server.draining``, ``server.stopped``, ``server.changed``, ``watchdog.*``.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

MAX_BACKLOG = 1_000
"""Events kept for one slow subscriber; the oldest are dropped and counted past that."""
PATIENCE = 5.0
"""Seconds that one delivery may take before it is cancelled."""

Subscriber = Callable[["Event"], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``fields`` are redacted values that are safe to log."""

    name: str
    fields: Mapping[str, Any]


class _Delivery:
    """One subscriber's backlog and the task that empties it."""

    __slots__ = ("_backlog", "_subscriber", "_task", "dropped", "pattern")

    def __init__(self, pattern: str, subscriber: Subscriber) -> None:
        self.pattern = pattern
        self.dropped = 0
        self._subscriber = subscriber
        self._backlog: list[Event] = []
        self._task: asyncio.Task[None] | None = None

    def put(self, event: Event) -> None:
        if len(self._backlog) >= MAX_BACKLOG:
            del self._backlog[0]
            self.dropped += 1
        self._backlog.append(event)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._empty(), name="holdfast-event")

    async def _empty(self) -> None:
        while self._backlog:
            await self._deliver(self._backlog.pop(0))

    async def _deliver(self, event: Event) -> None:
        try:
            outcome = self._subscriber(event)
            if inspect.isawaitable(outcome):
                async with asyncio.timeout(PATIENCE):
                    await outcome
        except Exception as error:  # boundary: a subscriber's fault must not reach the call that it hears of
            logging.getLogger("holdfast.events").warning("an event subscriber failed: %s", type(error).__name__)

    async def close(self) -> None:
        self._backlog.clear()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=PATIENCE)


class Events:
    """The server's event bus. Emitting costs nothing while nobody subscribes."""

    def __init__(self) -> None:
        self._deliveries: list[_Delivery] = []

    @property
    def wanted(self) -> bool:
        """Whether anyone listens at all; emitters may skip building the event."""
        return bool(self._deliveries)

    def subscribe(self, pattern: str, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` for events whose name matches ``pattern`` (``"tool.*"``); returns the undo."""
        delivery = _Delivery(pattern, subscriber)
        self._deliveries.append(delivery)

        def undo() -> None:
            if delivery in self._deliveries:
                self._deliveries.remove(delivery)

        return undo

    def emit(self, name: str, /, **fields: Any) -> None:
        """Tell the subscribers; returns at once, whatever they do. Needs the running loop."""
        for delivery in self._deliveries:
            if fnmatchcase(name, delivery.pattern):
                delivery.put(Event(name, fields))

    async def close(self) -> None:
        """Stop every delivery that is still under way."""
        for delivery in self._deliveries:
            await delivery.close()
