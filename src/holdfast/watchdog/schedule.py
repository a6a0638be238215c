"""Looks at everything that is watched, each at its own pace, in one task; tells of changes and has them acted upon."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from holdfast.core.clock import Clock
from holdfast.safe.blocking import in_thread
from holdfast.watchdog.alerts import Alerts
from holdfast.watchdog.watch import Hooks, Reading, Watch

_log = logging.getLogger("holdfast.watchdog")


class Watchdog:
    """Owns the task that looks, and the looks that are under way on threads. ``every`` is in seconds."""

    def __init__(self, clock: Clock, watches: Sequence[Watch], alerts: Alerts, hooks: Hooks, every: float) -> None:
        self._clock = clock
        self._watches = watches
        self._alerts = alerts
        self._hooks = hooks
        self._every = every
        self._due = dict.fromkeys((watch.name for watch in watches), clock.now())
        self._away: dict[str, asyncio.Task[None]] = {}  # one for each watch at most
        self._task: asyncio.Task[None] | None = None
        self._broken: set[str] = set()
        self.shedding = 0

    def start(self) -> None:
        """Begin, on the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="holdfast-watchdog")

    async def stop(self) -> None:
        """End every task; a look that is stuck on a thread is left to it."""
        tasks = {*self._away.values(), *((self._task,) if self._task is not None else ())}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._every)
            await self.round()

    async def round(self) -> None:
        """Look at everything that is due."""
        for watch in self._watches:
            now = self._clock.now()
            if now < self._due[watch.name]:
                continue
            self._due[watch.name] = now + watch.every
            if not watch.threaded:
                await self._look(watch)
            elif watch.name not in self._away:
                task = asyncio.get_running_loop().create_task(self._look(watch), name="holdfast-watch")
                self._away[watch.name] = task
                task.add_done_callback(lambda _, name=watch.name: self._away.pop(name, None))  # type: ignore[misc]

    async def _look(self, watch: Watch) -> None:
        try:
            reading = await in_thread(watch.read) if watch.threaded else watch.read()
            if reading is not None:
                self._judge(watch, reading)
                if watch.act is not None and watch.levels.level:
                    await watch.act(watch.levels.level, reading)
        except Exception as error:  # boundary: one thing that cannot be read must not blind us to the others
            if watch.name not in self._broken:
                self._broken.add(watch.name)
                _log.warning("the watchdog cannot look at %s: %s", watch.name, type(error).__name__)

    def _judge(self, watch: Watch, reading: Reading) -> None:
        before, level = watch.levels.level, watch.levels.feed(reading.value)
        if level == before:
            return
        bound = watch.levels.bound(max(level, before))
        said: dict[str, Any] = {"value": round(reading.value, 4), "limit": bound, **reading.said}
        if level > before:
            self._alerts.alert(watch.name, level, **said)
        else:
            self._alerts.recovered(watch.name, level, **said)
        self._shed(f"{watch.name} is {said['value']:g}, the limit {bound:g}")

    def _shed(self, reason: str) -> None:
        """As much as the one asks for that asks for most."""
        wanted = max(watch.shed() for watch in self._watches)
        if wanted == self.shedding:
            return
        before, self.shedding = self.shedding, wanted
        if self._hooks.shed is not None:
            self._hooks.shed(wanted)
            self._alerts.action("shed", reason, before=before, now=wanted)
