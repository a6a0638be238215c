"""Things that happened, told to whoever asked; a subscriber that raises or hangs hurts nobody.

Names: ``tool.started``, ``tool.completed``, ``tool.failed``, ``tool.refused``, ``server.started``,
``server.draining``, ``server.stopped``, ``server.changed``, ``watchdog.*``.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

LAST_WORDS = 0.5
"""Seconds that a subscriber has at the end to hear what happened last."""
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
        self._backlog: deque[Event] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, event: Event) -> None:
        if len(self._backlog) >= MAX_BACKLOG:
            self._backlog.popleft()
            self.dropped += 1
        self._backlog.append(event)
        if self._task is None or self._task.done():
            apart = contextvars.Context()  # not in the call's that this is about: what a call starts ends with it
            self._task = asyncio.get_running_loop().create_task(self._empty(), name="holdfast-event", context=apart)

    async def _empty(self) -> None:
        while self._backlog:
            await self._deliver(self._backlog.popleft())

    async def _deliver(self, event: Event) -> None:
        try:
            outcome = self._subscriber(event)
            if inspect.isawaitable(outcome):
                async with asyncio.timeout(PATIENCE):
                    await outcome
        except BaseException as error:  # boundary: not even sys.exit() in a subscriber may end the server
            if _asked_to_stop():
                raise
            logging.getLogger("holdfast.events").warning("an event subscriber failed: %s", type(error).__name__)

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What still delivers, if anything does."""
        return None if self._task is None or self._task.done() else self._task

    def forget(self) -> None:
        """Deliver nothing more than what is being delivered."""
        self._backlog.clear()


def _asked_to_stop() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Events:
    """The server's event bus. Emitting costs nothing while nobody subscribes."""

    def __init__(self) -> None:
        self.wanted = False
        """Whether anyone listens at all; emitters may skip building the event. Only to be read."""
        self._deliveries: list[_Delivery] = []
        self._leaving: set[asyncio.Task[None]] = set()  # bounded by the subscribers that leave within PATIENCE

    def subscribe(self, pattern: str, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` for events whose name matches ``pattern`` (``"tool.*"``); returns the undo."""
        delivery = _Delivery(pattern, subscriber)
        self._deliveries.append(delivery)
        self.wanted = True

        def undo() -> None:
            if delivery in self._deliveries:
                self._deliveries.remove(delivery)
                self.wanted = bool(self._deliveries)
                delivery.forget()
                if (task := delivery.task) is not None:
                    self._leaving.add(task)
                    task.add_done_callback(self._leaving.discard)

        return undo

    def emit(self, name: str, /, **fields: Any) -> None:
        """Tell the subscribers; returns at once, whatever they do. Needs the running loop."""
        for delivery in self._deliveries:
            if fnmatchcase(name, delivery.pattern):
                delivery.put(Event(name, dict(fields)))

    async def close(self) -> None:
        """Let the last events be heard for a moment, then stop every delivery that is still under way."""
        if tasks := {delivery.task for delivery in self._deliveries if delivery.task is not None} | self._leaving:
            await asyncio.wait(tasks, timeout=LAST_WORDS)
        for delivery in self._deliveries:
            delivery.forget()
        if late := {task for task in tasks if not task.done()}:
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=LAST_WORDS)
