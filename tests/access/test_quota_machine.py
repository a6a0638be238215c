"""Quotas beside a model, with callers who leave at every await: never negative, never lost, nothing admitted beyond."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.access.allowances import parse_allowances
from holdfast.access.quotas import Hold, Quotas
from holdfast.errors import QuotaExceeded
from holdfast.state import reserving
from holdfast.state.database import open_database
from holdfast.state.reserving import Change, Reserved, Want
from holdfast.testing import FakeClock

T = TypeVar("T")
CALLS, COST, PERIOD = 10, 100, 60.0
LIMITS = '{"*": {"calls": "10/minute", "cost": "100/minute"}}'
WHO = st.sampled_from(["ada", "bob"])


class Moved(FakeClock):
    """Moved without a loop, because nothing in a quota sleeps."""

    def pass_time(self, seconds: float) -> None:
        self._now += seconds


class Table:
    """The store's own statements on a database in memory, so many turns of the loop later, in order; no thread."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self.connection, _ = open_database(None, lambda _: None, wall)
        self.delay = 1
        self._wall = wall

    def reserve(self, wants: Sequence[Want]) -> asyncio.Future[Reserved]:
        return self._later(lambda: reserving.reserve(self.connection, self._wall(), wants))

    def settle(self, changes: Sequence[Change]) -> asyncio.Future[None]:
        return self._later(lambda: reserving.settle(self.connection, changes))

    def _later(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def turn(left: int) -> None:
            if left:
                loop.call_soon(turn, left - 1)
            else:
                loop.call_soon(done.set_result, work())  # its caller hears of it a turn later

        turn(self.delay)
        return done

    def counted(self, who: str) -> dict[str, float]:
        rows = self.connection.execute("SELECT space, number FROM entry WHERE key=?", (who,))
        return {space.split(".")[1]: number for space, number in rows}


@dataclass
class Window:
    """What one principal has spent in the period that runs."""

    ends: float
    calls: float = 0.0
    cost: float = 0.0


@dataclass
class Held:
    """A reservation, and the period in which it was made."""

    who: str
    hold: Hold
    cost: float
    window: Window


class QuotaMachine(RuleBasedStateMachine):
    """Every reservation is made, refused or given back as a whole; every settlement counts once, in its own period."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Moved()
        self.table = Table(self.clock.wall)
        plan = Quotas(self.table, parse_allowances(LIMITS)).plan("tool", "any")
        assert plan is not None
        self.plan = plan
        self.windows: dict[str, Window] = {}
        self.held: list[Held] = []

    def window(self, who: str) -> Window:
        """The one that runs, or that a reservation would begin now."""
        window = self.windows.get(who)
        if window is None or window.ends <= self.clock.wall():
            window = Window(self.clock.wall() + PERIOD)
        return window

    @rule(who=WHO, cost=st.integers(1, 60))
    def reserve(self, who: str, cost: int) -> None:
        self.loop.run_until_complete(self.reserving(who, [cost], None, None))

    @rule(who=WHO, costs=st.lists(st.integers(1, 60), min_size=1, max_size=6), data=st.data(), turns=st.integers(0, 4))
    def reserve_at_once_and_leave(self, who: str, costs: list[int], data: Any, turns: int) -> None:
        leaving = data.draw(st.integers(0, len(costs) - 1))
        self.loop.run_until_complete(self.reserving(who, costs, leaving, turns))

    async def reserving(self, who: str, costs: list[int], leaving: int | None, turns: int | None) -> None:
        """Several at once, in order; one of them is cancelled after so many turns of the loop."""
        tasks = [asyncio.ensure_future(self.plan.reserve(who, {"calls": 1.0, "cost": float(cost)})) for cost in costs]
        if leaving is not None:
            for _ in range(turns or 0):
                await asyncio.sleep(0)
            tasks[leaving].cancel()
        window, left = self.window(who), []
        for number, (task, cost) in enumerate(zip(tasks, costs, strict=True)):
            fits = window.calls + 1 <= CALLS and window.cost + cost <= COST
            try:
                hold = await task
            except QuotaExceeded:
                assert not fits
                continue
            except asyncio.CancelledError:
                assert number == leaving
                if turns and fits:  # it was asked for, and counts until it is known that its caller has left
                    window.calls, window.cost = window.calls + 1, window.cost + cost
                    self.windows[who] = window
                    left.append(cost)
                continue
            assert fits
            assert hold is not None
            window.calls, window.cost = window.calls + 1, window.cost + cost
            self.windows[who] = window
            self.held.append(Held(who, hold, cost, window))
        for cost in left:
            window.calls, window.cost = window.calls - 1, window.cost - cost
        await self.settled()

    @precondition(lambda self: self.held)
    @rule(data=st.data(), used=st.one_of(st.none(), st.integers(0, 150)))
    def settle(self, data: Any, used: int | None) -> None:
        """More than was reserved is owed; of a period that has ended nothing is left."""
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        amounts = None if used is None else {"calls": 1.0, "cost": float(used)}
        self.loop.run_until_complete(self.settling(held.hold, amounts))
        held.window.calls -= used is None
        held.window.cost = max(0.0, held.window.cost + (used or 0) - held.cost)

    async def settling(self, hold: Hold, amounts: Any) -> None:
        self.plan.settle(hold, amounts)
        await self.settled()

    async def settled(self) -> None:
        """Nothing is under way any more."""
        for _ in range(3 * (self.table.delay + 4)):
            await asyncio.sleep(0)

    @rule(seconds=st.sampled_from([1.0, 20.0, 59.0, 60.0, 200.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)

    @rule(turns=st.integers(0, 4))
    def become_slower(self, turns: int) -> None:
        self.table.delay = turns

    @invariant()
    def the_table_counts_what_the_model_does(self) -> None:
        for who, window in self.windows.items():
            if window.ends > self.clock.wall():
                found = self.table.counted(who)
                assert (found["calls"], found["cost"]) == (window.calls, window.cost)
                assert min(found.values()) >= 0

    def teardown(self) -> None:
        self.loop.close()
        self.table.connection.close()


TestQuotaMachine = QuotaMachine.TestCase
TestQuotaMachine.settings = settings(
    deadline=None, max_examples=1_000 if os.environ.get("SOAK") else 30, stateful_step_count=30
)
