"""Memory against its budget: caches shrunk and memory given back, then calls shed, then the process replaced."""

from __future__ import annotations

import gc
from collections.abc import Callable
from math import inf

from holdfast.core.clock import Clock
from holdfast.resources.allocator import trim
from holdfast.resources.budget import Budget, Usage
from holdfast.safe.blocking import in_thread
from holdfast.watchdog.alerts import Alerts
from holdfast.watchdog.watch import Hooks, Reading

YOUNG = 1
"""Generations 0 and 1: a full collection stops the loop 111 ms for each million containers (measured)."""
OWN = 0.5
"""Share of the alarming memory that must be this process's own before it is replaced: else others in the container hold
it, and replacing would help nobody."""

AFTERWARDS = 0.2
"""Seconds until the loop's lag is looked at again: a few heartbeats."""


class Pressure:
    """Acts at the levels 1 to 3, at most once in ``collect`` seconds each; rising a level acts at once.

    The collections run on the loop, as what they finalise belongs to it; giving back to the system runs on a thread.
    ``lag`` is asked for the loop's latest lag in seconds.
    """

    def __init__(self, clock: Clock, budget: Budget, alerts: Alerts, hooks: Hooks, collect: float = 60.0) -> None:
        self._clock = clock
        self._budget = budget
        self._alerts = alerts
        self._hooks = hooks
        self._collect = collect
        self._acted = [-inf, -inf, -inf]
        self.lag: Callable[[], float] = lambda: 0.0
        self.suspect: Callable[[], str | None] = lambda: None
        """The tool whose calls the growth of memory follows; asked from the share ``named_from`` on."""
        self.named_from = 0.7

    def read(self) -> Reading:
        """The share of the budget in use; where it is short, with the tool that is suspected."""
        usage = self._budget.look()
        tool = self.suspect() if usage.share >= self.named_from else None
        said = {"own": round(usage.own, 4), "bytes": usage.resident, "budget": usage.budget}
        return Reading(usage.share, said if tool is None else {**said, "tool": tool})

    async def act(self, level: int, reading: Reading) -> None:
        """Do what the level asks for, unless it was done lately."""
        if level >= 3 and self._due(2):
            self._retire()
        if level >= 2 and self._due(1):
            self._acted[0] = self._clock.now()
            await self._give_back("collect", reading, lambda: gc.collect())
        elif level == 1 and self._due(0):
            await self._give_back("shrink", reading, lambda: gc.collect(YOUNG))

    def _due(self, index: int) -> bool:
        now = self._clock.now()
        if now - self._acted[index] < self._collect:
            return False
        self._acted[index] = now
        return True

    async def _give_back(self, action: str, reading: Reading, collect: Callable[[], int]) -> None:
        before, begun = self._budget.look().resident, self._clock.now()
        shrunk = 0 if self._hooks.shrink is None else self._hooks.shrink()
        found = collect()
        await in_thread(trim)
        seconds = self._clock.now() - begun
        after = self._budget.look()
        await self._clock.sleep(AFTERWARDS)
        self._alerts.action(
            action, f"memory is {reading.value:.0%} of its budget", freed=before - after.resident, caches=shrunk,
            objects=found, seconds=round(seconds, 4), lag=round(self.lag(), 4), share=round(after.share, 4),
        )  # fmt: skip

    def _retire(self) -> None:
        usage = self._budget.look()
        tool = self.suspect()
        reason = f"memory is {usage.share:.0%} of its budget" + (f"; it grows with calls of {tool}" if tool else "")
        if not _is_ours(usage):
            self._alerts.action("none", reason, why="others in the container hold it: replacing this process helps not")
        elif self._hooks.retire is None:
            self._alerts.action("none", reason, why="nobody can replace this process: use holdfast run, or restart it")
        elif (why := self._hooks.retire(reason)) is not None:
            self._alerts.action("none", reason, why=why)
        else:
            self._alerts.action("retire", reason, bytes=usage.resident)


def _is_ours(usage: Usage) -> bool:
    return usage.own >= OWN * usage.share
