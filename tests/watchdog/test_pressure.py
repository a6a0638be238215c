"""Memory: at each level what it asks for, at most once a minute, with its effect; a process is not replaced in vain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.telling import Told

from holdfast.resources.budget import Budget, Group
from holdfast.testing import FakeClock
from holdfast.watchdog import pressure as module
from holdfast.watchdog.levels import Levels
from holdfast.watchdog.pressure import Pressure
from holdfast.watchdog.schedule import Watchdog
from holdfast.watchdog.watch import Hooks, Watch

MIB = 1 << 20


async def at_once(work: Callable[[], None]) -> None:
    work()


class World:
    """A process of 100 MiB at most, whose caches hold some of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, group: Group | None = None) -> None:
        self.clock, self.told, self.hooks = FakeClock(), Told(), Hooks(shrink=self._shrink)
        self.resident, self.cached, self.loose, self.group = 50.0, 0.0, 0.0, group
        self.collected: list[int] = []
        self.retired: list[str] = []
        self.sheds: list[int] = []
        self.hooks.shed = self.sheds.append
        budget = Budget(100 * MIB, lambda: int(self.resident * MIB), lambda: self.group)
        self.pressure = Pressure(self.clock, budget, self.told.alerts, self.hooks)
        monkeypatch.setattr(module, "trim", self._trim)
        monkeypatch.setattr(module, "in_thread", at_once)
        monkeypatch.setattr(module.gc, "collect", lambda generation=2: self.collected.append(generation) or 7)
        watch = Watch("memory", self.pressure.read, Levels((0.7, 0.9, 0.95)), 1.0, (0, 0, 1, 2), self.pressure.act)
        self.watchdog = Watchdog(self.clock, [watch], self.told.alerts, self.hooks, 1.0)

    def _shrink(self) -> int:
        freed, self.cached = self.cached, 0.0
        self.loose += freed
        return int(freed * MIB)

    def _trim(self) -> None:
        self.resident -= self.loose
        self.loose = 0.0

    def retire(self, reason: str) -> None:
        self.retired.append(reason)

    async def seconds(self, count: int) -> None:
        """So many looks, each with what it leads to."""
        self.watchdog.start()
        for _ in range(count * 4):
            await self.clock.advance(0.25)
        await self.watchdog.stop()


def names(actions: list[dict[str, Any]]) -> list[str]:
    return [action["action"] for action in actions]


async def test_at_70_percent_caches_shrink_and_memory_is_given_back_without_a_full_collection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.resident, world.cached = 75, 30
    await world.seconds(5)
    (action,) = world.told.actions()
    assert (action["action"], action["freed"], action["caches"], action["objects"]) == (
        "shrink", 30 * MIB, 30 * MIB, 7,
    )  # fmt: skip
    assert {"reason", "seconds", "lag", "share"} <= action.keys()
    assert action["share"] == 0.45
    assert world.collected == [1], "young ones only"
    await world.seconds(4)
    assert world.told.alerts.active == {}
    assert world.sheds == []


async def test_two_high_looks_are_no_pressure(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.resident = 99
    await world.seconds(2)
    assert world.told.lines == []


async def test_at_90_percent_calls_are_shed_and_all_is_collected_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.resident = 92
    await world.seconds(50)
    assert world.collected == [2]
    assert world.sheds == [1]
    await world.seconds(30)
    assert world.collected == [2, 2]
    assert names(world.told.actions()) == ["shed", "collect", "collect"]
    world.resident = 40
    await world.seconds(10)
    assert world.sheds == [1, 0]


async def test_at_95_percent_the_process_is_replaced_with_the_reason_and_the_tool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.hooks.retire = world.retire
    world.pressure.suspect = lambda: "leaky"
    world.resident = 97
    await world.seconds(20)
    assert world.retired == ["memory is 97% of its budget; it grows with calls of leaky"]
    assert world.sheds == [2]
    assert world.told.lines[0][2]["tool"] == "leaky"
    await world.seconds(60)
    assert len(world.retired) == 2, "asked again after a minute: it may have come to nothing"


async def test_without_anybody_who_could_replace_it_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.resident = 97
    await world.seconds(5)
    why = [action["why"] for action in world.told.actions() if action["action"] == "none"]
    assert "holdfast run" in why[0]
    world = World(monkeypatch)
    world.hooks.retire = lambda _: "it was replaced just now"
    world.resident = 97
    await world.seconds(5)
    assert [action["why"] for action in world.told.actions() if action["action"] == "none"] == [
        "it was replaced just now"
    ]


async def test_a_process_that_holds_little_of_a_full_container_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, group=Group(100 * MIB, 97 * MIB, 90 * MIB))
    world.hooks.retire = world.retire
    world.resident = 20
    await world.seconds(6)
    assert world.retired == []
    assert "others in the container" in world.told.actions()[1]["why"]
    world.resident = 60
    await world.seconds(70)
    assert len(world.retired) == 1
