"""Tells of what the watchdog sees and does: a log line, an event, a count, and a post to the operator's URL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from holdfast.core.events import Events

Post = Callable[[Mapping[str, Any]], None]


class Counter(Protocol):
    """Counts events by kind (``observe.metrics.Metrics``)."""

    def event(self, kind: str) -> None:
        """Count one."""
        ...


class Alerts:
    """May be called from any thread; ``active`` names what is alarming now, by probe (at most one each)."""

    def __init__(self, log: Any, events: Events, counter: Counter, post: Post | None = None) -> None:
        self._log = log
        self._events = events
        self._counter = counter
        self._post = post
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.active: dict[str, int] = {}  # bounded by the probes

    def alert(self, probe: str, stage: int, **said: Any) -> None:
        """``probe`` is alarming, at a stage from 1 on (``level`` is what a log line is called by)."""
        self.active[probe] = stage
        self._tell("watchdog.alert", "error" if stage > 1 else "warning", {"probe": probe, "stage": stage, **said})

    def recovered(self, probe: str, stage: int = 0, **said: Any) -> None:
        """``probe`` is less alarming than it was, or with stage 0 not any more."""
        if stage:
            self.active[probe] = stage
        elif self.active.pop(probe, None) is None:
            return
        self._tell("watchdog.recovered", "info", {"probe": probe, "stage": stage, **said})

    def action(self, action: str, reason: str, **effect: Any) -> None:
        """Something was done, with its measured effect. Logged, told and counted, not posted."""
        said = {"action": action, "reason": reason, **effect}
        self._log.warning("watchdog.action", **said)
        self._count_and_emit("watchdog.action", said)

    def seen(self, name: str, **said: Any) -> None:
        """Something happened that is no alarm yet: told and counted; whoever saw it has logged it."""
        self._count_and_emit(name, said)

    def _tell(self, name: str, severity: str, said: Mapping[str, Any]) -> None:
        getattr(self._log, severity)(name, **said)
        self._count_and_emit(name, {key: value for key, value in said.items() if key != "stacks"})
        if self._post is not None:
            self._post({"event": name, **{key: value for key, value in said.items() if key not in ("stack", "stacks")}})

    def _count_and_emit(self, name: str, said: Mapping[str, Any]) -> None:
        self._counter.event(name)
        if not self._events.wanted:
            return
        if threading.get_ident() == self._thread:
            self._events.emit(name, **said)
            return
        try:
            self._loop.call_soon_threadsafe(lambda: self._events.emit(name, **said))
        except RuntimeError:  # the loop is closed: nobody hears events any more
            return
