"""Everything that watches one server, put together from its settings: the heartbeat, the looks, and who is told."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.core.clock import Clock
from holdfast.core.config import WatchdogSettings
from holdfast.core.events import Events
from holdfast.observe.metrics import Metrics
from holdfast.observe.process import open_descriptors, resident_bytes
from holdfast.resources.budget import Budget
from holdfast.watchdog import readings
from holdfast.watchdog.alerts import Alerts
from holdfast.watchdog.blame import Blame
from holdfast.watchdog.failures import Failures
from holdfast.watchdog.heartbeat import Block, Heartbeat, Step, Thresholds
from holdfast.watchdog.levels import Levels
from holdfast.watchdog.pressure import Pressure
from holdfast.watchdog.schedule import Watchdog
from holdfast.watchdog.trend import Leak, Trend
from holdfast.watchdog.watch import Hooks, Reading, Watch

if TYPE_CHECKING:
    from holdfast.watchdog.webhook import Webhook

LAST_WORDS = 1.0
"""Seconds that the last alerts have to leave for the operator's URL at the end."""
FAREWELL = 0.3
"""Seconds that the log and the operator's URL have for the last words of a process that replaces itself."""
_LOOKS = 60
"""Samples of a leak's window."""
_SLOWLY, _RARELY = 5, 10
"""Looks between counts that take a while (tasks), and between those at disks."""


class Subjects(NamedTuple):
    """What is watched: a server by its name, its counts and budget, and the folders, by name, that it writes to."""

    server: str
    clock: Clock
    metrics: Metrics
    budget: Budget
    folders: Mapping[str, Path]


def _webhook(url: str, server: str) -> Webhook:
    from holdfast.watchdog.webhook import Webhook

    return Webhook(url, server)


class Lookout:
    """Lives on one loop, between ``start`` and ``stop``. Raises ``ConfigurationError`` for a webhook that is no URL."""

    def __init__(self, settings: WatchdogSettings, subjects: Subjects, log: Any, events: Events, hooks: Hooks) -> None:
        self._settings = settings
        self._subjects = subjects
        self._log = log
        self._hooks = hooks
        url = settings.webhook
        self.webhook = None if url is None else _webhook(url.get_secret_value(), subjects.server)
        post = None if self.webhook is None else self.webhook.post
        self.alerts = Alerts(log, events, subjects.metrics, post)
        thresholds = Thresholds(settings.heartbeat, settings.lag, settings.interrupt, settings.dump, settings.restart)
        self.heartbeat = Heartbeat(
            subjects.clock, thresholds, on_lag=subjects.metrics.lag, on_block=self._blocked, on_step=self._step,
            aside=lambda: hooks.aside,
        )  # fmt: skip
        self.watchdog = Watchdog(subjects.clock, tuple(self._watches()), self.alerts, hooks, settings.sample)

    def start(self) -> None:
        """Begin, on the running loop."""
        self.heartbeat.start()
        self.watchdog.start()

    async def stop(self, patience: float = LAST_WORDS) -> None:
        """End the tasks and threads; the last alerts have ``patience`` seconds to leave."""
        await self.watchdog.stop()
        await self.heartbeat.stop()
        if self.webhook is not None:
            self.webhook.close(patience)

    # -- what is looked at ---------------------------------------------------------------------------------------------

    def _watches(self) -> Iterator[Watch]:
        given, every, subjects = self._settings, self._settings.sample, self._subjects
        yield self._memory()
        yield Watch("lag", readings.lag(self.heartbeat.worst), self._levels(given.lag), every, (0, 1))
        failures = Failures(subjects.metrics, subjects.clock.now, window=given.errors_window, least=given.errors_least)
        yield Watch("errors", failures.read, self._levels(given.errors), every, (0, 1))
        opened = self._levels(given.descriptors, given.descriptors_shed)
        yield Watch("descriptors", readings.descriptors, opened, every, (0, 0, 2))
        yield Watch("threads", readings.threads, self._levels(given.threads), every)
        yield Watch("tasks", readings.tasks, self._levels(given.tasks), every * _SLOWLY)
        full = self._levels(1 - given.disk, 1 - given.disk_failed)
        yield Watch("disk", readings.disks(subjects.folders), full, every * _RARELY, threaded=True)
        yield from self._leaks()

    def _levels(self, *bounds: float) -> Levels:
        return Levels(bounds, samples=self._settings.samples, hysteresis=self._settings.hysteresis)

    def _memory(self) -> Watch:
        given, subjects = self._settings, self._subjects
        self._blame = blame = Blame(subjects.metrics, resident_bytes)
        pressure = Pressure(subjects.clock, subjects.budget, self.alerts, self._hooks, given.collect)
        pressure.lag = lambda: self.heartbeat.lag
        pressure.suspect, pressure.named_from = blame.suspect, given.memory_shrink

        def read() -> Reading:
            blame.sample()
            return pressure.read()

        levels = self._levels(given.memory_shrink, given.memory_shed, given.memory_retire)
        return Watch("memory", read, levels, given.sample, (0, 0, 1, 2), pressure.act)

    def _leaks(self) -> Iterator[Watch]:
        given, now = self._settings, self._subjects.clock.now
        grown = {
            "memory": (lambda: float(resident_bytes()), given.leak_memory * self._subjects.budget.bytes),
            "tasks": (lambda: readings.tasks().value, given.leak_tasks),
            "descriptors": (lambda: float(open_descriptors()), given.leak_descriptors),
        }
        for name, (read, least) in grown.items():
            leak = Leak(read, least, Trend(given.leak_window, now))
            if name == "memory":
                leak.suspect = self._blame.suspect
            yield Watch(f"leak.{name}", leak.look, Levels((1.0,), samples=1), given.leak_window / _LOOKS)

    # -- a standing loop: from the monitor's thread, but for "free" ----------------------------------------------------

    def _blocked(self, block: Block) -> None:
        self._standing(block.tool)
        said = {"seconds": round(block.seconds, 3), "tool": block.tool}
        self._log.error("loop.blocked", **said, stack=block.stack)
        self.alerts.seen("watchdog.blocked", **said)

    def _step(self, step: Step, block: Block) -> None:
        self._standing(None if step == "free" else block.tool)
        said: dict[str, Any] = {"seconds": round(block.seconds, 3), "tool": block.tool}
        if step == "free":
            if block.interrupted:
                self.alerts.action("interrupt", "a call blocked the event loop for too long", **said)
            self.alerts.recovered("loop", **said, lag=round(self.heartbeat.lag, 3))
        elif step == "stuck":
            self.alerts.alert("loop", 2, **said, limit=self._settings.dump, stacks=block.stack)
        else:
            self.alerts.alert("loop", 3, **said, limit=self._settings.restart, stack=block.stack)
            self._past(f"the event loop has stood still for {block.seconds:.1f} s")

    def _standing(self, tool: str | None) -> None:
        """First of all: there may be no time for anything else."""
        if self._hooks.standing is not None:
            self._hooks.standing(tool)

    def _past(self, reason: str) -> None:
        """Past the ladder: begin anew if that is possible here, else say who could."""
        if self._hooks.restart is None:
            self.alerts.action(
                "none", reason,
                why="this process cannot replace itself without losing its client; holdfast run would replace it",
            )  # fmt: skip
            return
        self.alerts.action("restart", reason)
        time.sleep(FAREWELL)
        self.alerts.action("none", reason, why=self._hooks.restart(reason))
