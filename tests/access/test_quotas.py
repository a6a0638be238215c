"""Quotas: reserved all or nothing, settled to what was used, and begun anew each period; counted in a real store."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from holdfast.access.allowances import cost_of, parse_allowances
from holdfast.access.quotas import Amounts, Hold, Plan, Quotas
from holdfast.errors import Busy, ConfigurationError, QuotaExceeded
from holdfast.state.store import Store
from holdfast.testing import FakeClock


@asynccontextmanager
async def counted(folder: Path, clock: FakeClock | None = None) -> AsyncIterator[Store]:
    store = Store(folder / "state.sqlite", clock=clock or FakeClock())
    try:
        yield store
    finally:
        await store.close()


class Quota:
    """One quota of cost, as ``limits.quota`` sets it."""

    def __init__(self, rate: str, store: Store) -> None:
        plan = Quotas(store, always=(cost_of(rate),)).plan("tool", "any")
        assert plan is not None
        self.plan = plan

    async def reserve(self, principal: str, cost: float) -> Hold | None:
        return await self.plan.reserve(principal, {"cost": cost})

    def refund(self, hold: Hold | None) -> None:
        assert hold is not None
        self.plan.settle(hold, None)


async def spent(quota: Quota, principal: str, cost: float = 1.0) -> bool:
    try:
        await quota.reserve(principal, cost)
    except QuotaExceeded:
        return False
    return True


async def test_what_is_allowed_can_be_spent_and_no_more(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("3/hour", store)
        assert [await spent(quota, "ada") for _ in range(5)] == [True, True, True, False, False]


async def test_each_principal_has_its_own(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("1/hour", store)
        assert await spent(quota, "ada")
        assert await spent(quota, "bob")
        assert not await spent(quota, "ada")


async def test_a_refusal_says_when_the_next_period_begins(tmp_path: Path) -> None:
    clock = FakeClock()
    async with counted(tmp_path, clock) as store:
        quota = Quota("1/hour", store)
        await quota.reserve("ada", 1)
        await clock.advance(600)
        with pytest.raises(QuotaExceeded, match="the quota of 1/hour is spent") as refused:
            await quota.reserve("ada", 1)
        assert refused.value.retry_after == pytest.approx(3000, abs=1)


async def test_the_period_begins_with_the_first_call_and_ends_whatever_was_refused(tmp_path: Path) -> None:
    clock = FakeClock()
    async with counted(tmp_path, clock) as store:
        quota = Quota("2/minute", store)
        assert await spent(quota, "ada")
        await clock.advance(59)
        assert [await spent(quota, "ada"), await spent(quota, "ada")] == [True, False]
        await clock.advance(1.5)
        assert [await spent(quota, "ada") for _ in range(3)] == [True, True, False]


async def test_fifty_calls_at_once_cannot_spend_one_unit_twice(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("10/hour", store)
        outcomes = await asyncio.gather(*(spent(quota, "ada") for _ in range(50)))
        assert sum(outcomes) == 10


async def test_instances_over_one_store_share_what_is_spent_and_it_outlives_them(tmp_path: Path) -> None:
    clock = FakeClock()
    async with counted(tmp_path, clock) as first, counted(tmp_path, clock) as second:
        assert await spent(Quota("2/hour", first), "ada")
        assert await spent(Quota("2/hour", second), "ada")
        assert not await spent(Quota("2/hour", first), "ada")
    async with counted(tmp_path, clock) as later:
        assert not await spent(Quota("2/hour", later), "ada")


async def test_a_refund_can_be_spent_again_once(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("1/hour", store)
        quota.refund(await quota.reserve("ada", 1))
        assert [await spent(quota, "ada"), await spent(quota, "ada")] == [True, False]


async def test_a_refused_reservation_costs_nothing(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("5/hour", store)
        assert await spent(quota, "ada", 3)
        assert not await spent(quota, "ada", 4)
        assert await spent(quota, "ada", 2)
        assert not await spent(quota, "ada", 1)


async def test_a_refund_after_its_period_gives_nothing_to_the_next(tmp_path: Path) -> None:
    clock = FakeClock()
    async with counted(tmp_path, clock) as store:
        quota = Quota("2/minute", store)
        hold = await quota.reserve("ada", 2)
        await clock.advance(61)
        assert await spent(quota, "ada", 1)
        quota.refund(hold)
        assert [await spent(quota, "ada") for _ in range(2)] == [True, False]


async def test_nothing_is_spent_when_it_cannot_be_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("5/hour", store)
    with pytest.raises(QuotaExceeded, match="cannot be counted right now") as refused:
        await quota.reserve("ada", 1)
    assert refused.value.retry_after == 5.0
    assert "quotas cannot be counted: Busy" in caplog.text


async def test_a_refund_that_cannot_be_counted_hides_no_other_refusal(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("5/hour", store)
        hold = await quota.reserve("ada", 1)
    quota.refund(hold)


@pytest.mark.parametrize("text", ["", "5", "0/hour", "5/year", "many/hour"])
def test_a_quota_that_is_not_a_rate_is_an_error_of_the_operator(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a rate is written as"):
        cost_of(text)


async def test_a_call_that_costs_more_than_there_ever_is_is_refused(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("3/hour", store)
        assert not await spent(quota, "ada", 4)
        assert await spent(quota, "ada", 3)


async def test_what_costs_nothing_is_not_counted(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("1/hour", store)
        assert await quota.reserve("ada", 1) is not None
        assert await quota.reserve("ada", 0) is None


@pytest.mark.parametrize(
    "limits, now, refused",
    [
        ({}, 1_000.0, False),
        ({"*": {"calls": "1/minute"}}, 1_059.9, True),
        ({"*": {"calls": "1/minute"}}, 1_060.0, False),
        ({"*": {"calls": "1/minute"}, "ada": [{"bytes": "1 B/hour"}, {"calls": "1/second"}]}, 4_599.9, True),
        ({"*": {"calls": "1/minute"}, "ada": [{"bytes": "1 B/hour"}, {"calls": "1/second"}]}, 4_600.0, False),
    ],
)
async def test_what_was_lost_is_in_doubt_for_as_long_as_the_longest_period(
    limits: dict[str, Any], now: float, refused: bool
) -> None:
    quotas = Quotas(Slow(), parse_allowances(json.dumps(limits)))
    assert quotas.in_doubt(1_000.0, now) is refused
    assert not quotas.in_doubt(None, now), "nothing was lost"


# -- several things at once --------------------------------------------------------------------------------------------


def plan_of(store: Store, limits: dict[str, Any], kind: str = "tool", name: str = "any") -> tuple[Quotas, Plan]:
    quotas = Quotas(store, parse_allowances(json.dumps(limits)))
    plan = quotas.plan(kind, name)
    assert plan is not None
    return quotas, plan


def amounts(calls: float = 1.0, cpu: float = 0.1, size: float = 100.0, cost: float = 1.0) -> Amounts:
    return {"calls": calls, "cpu": cpu, "bytes": size, "cost": cost}


async def number(store: Store, space: str, key: str = "ada") -> float:
    found = await store.get(space, key)
    return 0.0 if found is None else float(found)


async def test_where_one_thing_does_not_fit_nothing_is_taken_of_the_others(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        _, plan = plan_of(store, {"*": {"calls": "10/day", "bytes": "250B/hour"}})
        assert await plan.reserve("ada", amounts()) is not None
        assert await plan.reserve("ada", amounts()) is not None
        with pytest.raises(QuotaExceeded, match=r"the quota of 250B/hour \(bytes\) is spent") as refused:
            await plan.reserve("ada", amounts())
        assert 0 < (refused.value.retry_after or 0) <= 3_600
        assert await number(store, "quota.calls.86400.all") == 2


async def test_what_is_settled_is_what_was_used_and_what_was_more_is_missing_later(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quotas, plan = plan_of(store, {"*": {"cpu": "1 s/hour", "bytes": "1 kB/hour"}})
        hold = await plan.reserve("ada", amounts())
        assert hold is not None
        plan.settle(hold, amounts(cpu=1.5, size=40))
        assert await number(store, "quota.cpu.3600.all") == pytest.approx(1.5)
        assert await number(store, "quota.bytes.3600.all") == 40
        assert quotas.spent == {"calls": 0.0, "cpu": 1.5, "bytes": 40.0, "cost": 0.0}
        with pytest.raises(QuotaExceeded, match="processor time"):
            await plan.reserve("ada", amounts(cpu=0.001))


async def test_what_is_expected_is_never_more_than_all_there_is(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        _, plan = plan_of(store, {"*": {"cpu": "10 ms/hour"}})
        assert await plan.reserve("ada", amounts(cpu=3.0)) is not None
        with pytest.raises(QuotaExceeded):
            await plan.reserve("ada", amounts(cpu=0.001))


async def test_a_named_principal_has_its_own_limits_in_place_of_everybodys(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        _, plan = plan_of(store, {"*": {"calls": "1/day"}, "ada": {"calls": "2/day"}})
        for who, times in (("ada", 2), ("bob", 1), ("*", 1)):
            for _ in range(times):
                assert await plan.reserve(who, amounts()) is not None
            with pytest.raises(QuotaExceeded):
                await plan.reserve(who, amounts())


async def test_an_entry_with_names_counts_calls_of_those_alone(tmp_path: Path) -> None:
    limits = {"*": [{"tools": "big_*", "calls": "1/day"}, {"resources": "note://*", "calls": "1/hour"}]}
    async with counted(tmp_path) as store:
        quotas, big = plan_of(store, limits, "tool", "big_one")
        other = quotas.plan("tool", "big_two")
        assert other is not None
        assert await big.reserve("ada", amounts()) is not None
        with pytest.raises(QuotaExceeded):
            await other.reserve("ada", amounts())
        assert quotas.plan("tool", "small") is None
        note = quotas.plan("resource", "note://x")
        assert note is not None
        assert await note.reserve("ada", amounts()) is not None


async def test_more_may_be_allowed_tomorrow_without_forgetting_what_is_spent(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        _, plan = plan_of(store, {"*": {"calls": "1/day"}})
        assert await plan.reserve("ada", amounts()) is not None
        _, plan = plan_of(store, {"*": {"calls": "2/day"}})
        assert await plan.reserve("ada", amounts()) is not None
        with pytest.raises(QuotaExceeded):
            await plan.reserve("ada", amounts())


async def test_a_caller_that_leaves_while_it_reserves_leaves_nothing_reserved(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        _, plan = plan_of(store, {"*": {"calls": "10/day"}})
        for _ in range(5):
            task = asyncio.ensure_future(plan.reserve("ada", amounts()))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.05)
        assert await number(store, "quota.calls.86400.all") == 0


async def test_a_file_that_is_locked_refuses_and_the_loop_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.state.database.BUSY_SECONDS", 0.2)
    async with counted(tmp_path) as store:
        quotas, plan = plan_of(store, {"*": {"calls": "10/day"}})
        hold = await plan.reserve("ada", amounts())
        assert hold is not None
        other = sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        asked = asyncio.ensure_future(plan.reserve("ada", amounts()))
        turns = 0
        while not asked.done():
            await asyncio.sleep(0.005)
            turns += 1
        with pytest.raises(QuotaExceeded, match="cannot be counted") as refused:
            await asked
        assert refused.value.retry_after == 5.0
        assert turns > 5
        plan.settle(hold, None)  # cannot be written either
        with pytest.raises(Busy):
            await store.keys("none")  # which has its turn after it
        other.execute("ROLLBACK")
        other.close()
        assert quotas.uncounted == 2
        assert await number(store, "quota.calls.86400.all") == 1, "in doubt it is spent"
        hold = await plan.reserve("ada", amounts())
        assert hold is not None
        plan.settle(hold, None)
        assert await number(store, "quota.calls.86400.all") == 0, "and both are settled as soon as that can be"


@pytest.mark.parametrize("name", ["x" * 2_000, "\ud800"])
async def test_a_name_that_cannot_be_counted_spends_nothing(tmp_path: Path, name: str) -> None:
    async with counted(tmp_path) as store:
        _, plan = plan_of(store, {"*": {"calls": "10/day"}})
        with pytest.raises(QuotaExceeded):
            await plan.reserve(name, amounts())


STEPS = some.lists(
    some.one_of(
        some.tuples(some.just("reserve"), some.sampled_from(["ada", "bob"]), some.integers(1, 6), some.integers(1, 40)),
        some.tuples(some.just("settle"), some.integers(0, 9), some.integers(0, 6), some.integers(0, 60)),
        some.tuples(some.just("wait"), some.integers(1, 40), some.just(0), some.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_is_reserved_and_settled_the_count_is_exact_and_nothing_is_admitted_beyond_it(
    steps: list[tuple[Any, ...]],
) -> None:
    asyncio.run(_played(steps))


async def _played(steps: list[tuple[Any, ...]]) -> None:
    """A model beside the store: per principal the window's end and what is spent in it."""
    clock = FakeClock()
    store = Store(None, clock=clock)
    _, plan = plan_of(store, {"*": {"calls": "10/minute", "bytes": "100/minute"}})
    model: dict[str, tuple[float, float, float]] = {}
    open_holds: list[tuple[str, float, float, float, Hold]] = []
    for kind, first, calls, size in steps:
        now = clock.wall()
        if kind == "wait":
            await clock.advance(first)
        elif kind == "reserve":
            end, had, weighed = model.get(first, (0.0, 0.0, 0.0))
            if now >= end:
                end, had, weighed = now + 60.0, 0.0, 0.0
            fits = had + calls <= 10 and weighed + size <= 100
            try:
                hold = await plan.reserve(first, amounts(calls=calls, size=size))
            except QuotaExceeded:
                assert not fits
                continue
            assert fits
            assert hold is not None
            model[first] = (end, had + calls, weighed + size)
            open_holds.append((first, end, calls, size, hold))
        elif open_holds:
            who, end, had_calls, had_size, hold = open_holds.pop(first % len(open_holds))
            plan.settle(hold, amounts(calls=calls, size=size))
            if model[who][0] == end:
                model[who] = (
                    end, max(0, model[who][1] + calls - had_calls), max(0, model[who][2] + size - had_size),
                )  # fmt: skip
        for who, (end, had, weighed) in model.items():
            if clock.wall() < end:
                assert await number(store, "quota.calls.60.all", who) == had
                assert await number(store, "quota.bytes.60.all", who) == weighed
    await store.close()


async def test_two_servers_that_hammer_one_file_together_admit_what_is_allowed(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import asyncio, json, sys
        from pathlib import Path
        from holdfast.access.allowances import parse_allowances
        from holdfast.access.quotas import Quotas
        from holdfast.errors import QuotaExceeded
        from holdfast.state.store import Store

        async def main():
            store = Store(Path(sys.argv[1]))
            limits = parse_allowances(json.dumps({"*": {"calls": "100/day", "cost": "250/day"}}))
            plan = Quotas(store, limits).plan("tool", "any")
            sys.stdin.readline()
            async def one():
                try:
                    hold = await plan.reserve("ada", {"calls": 1.0, "cost": 2.0, "cpu": 0.0, "bytes": 0.0})
                except QuotaExceeded as refused:
                    assert "is spent" in refused.message, refused.message
                    return 0
                plan.settle(hold, {"calls": 1.0, "cost": 3.0, "cpu": 0.0, "bytes": 0.0})
                return 1
            print(sum([sum(await asyncio.gather(*(one() for _ in range(25)))) for _ in range(10)]))
            await store.close()

        asyncio.run(main())
    """)
    command = [sys.executable, "-c", script, str(tmp_path / "state.sqlite")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    servers = [subprocess.Popen(command, env=dict(os.environ), **pipes) for _ in range(2)]
    for server in servers:
        server.stdin.write("go\n")  # type: ignore[union-attr]
        server.stdin.flush()  # type: ignore[union-attr]
    admitted = [int(server.communicate(timeout=60)[0]) for server in servers]
    assert [server.returncode for server in servers] == [0, 0]
    store = Store(tmp_path / "state.sqlite")
    calls, cost = await number(store, "quota.calls.86400.all"), await number(store, "quota.cost.86400.all")
    await store.close()
    assert sum(admitted) == calls <= 100
    assert cost == 3 * calls
    assert calls >= 83, "all of it could be spent: refused only once 250 / 3 were used"


class Slow:
    """Counters whose answer comes when it is told to."""

    def __init__(self) -> None:
        self.asked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.settled: list[Any] = []
        self.settlements = 0

    def reserve(self, wants: Any) -> asyncio.Future[Any]:
        return self.asked

    def settle(self, changes: Any) -> asyncio.Future[None]:
        self.settled += changes
        self.settlements += 1
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Failing(Slow):
    """Counters that are given a word on what is wrong, or that refuse at once."""

    wrong: Exception | None = None

    def reserve(self, wants: Any) -> asyncio.Future[Any]:
        if self.wrong is not None:
            raise self.wrong
        return self.asked

    def settle(self, changes: Any) -> asyncio.Future[None]:
        if self.wrong is not None:
            raise self.wrong
        return super().settle(changes)


def listening() -> list[dict[str, Any]]:
    """What goes wrong in callbacks of the running loop, where no test sees it otherwise."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: found.append(facts))
    return found


def planned(counters: Any) -> tuple[Quotas, Plan]:
    quotas = Quotas(counters, always=(cost_of("5/day"),))
    plan = quotas.plan("tool", "any")
    assert plan is not None
    return quotas, plan


async def test_what_was_reserved_exactly_is_not_settled_at_all() -> None:
    slow = Slow()
    _, plan = planned(slow)
    slow.asked.set_result((-1, 0.0, (99.0,)))
    hold = await plan.reserve("ada", {"cost": 2.0})
    assert hold is not None
    plan.settle(hold, {"cost": 2.0})
    assert slow.settlements == 0
    plan.settle(hold, {"cost": 3.0})
    assert slow.settled == [("quota", "ada", 99.0, 1.0)]


async def test_what_the_counters_refuse_to_settle_is_settled_with_the_next() -> None:
    counters = Failing()
    quotas, plan = planned(counters)
    counters.asked.set_result((-1, 0.0, (99.0,)))
    hold = await plan.reserve("ada", {"cost": 2.0})
    assert hold is not None
    counters.wrong = Busy("closed")
    plan.settle(hold, {"cost": 1.0})
    assert quotas.uncounted == 1
    counters.wrong = None
    plan.settle(hold, None)
    assert counters.settled == [("quota", "ada", 99.0, -1.0), ("quota", "ada", 99.0, -2.0)]


async def test_where_it_is_known_how_long_nothing_can_be_counted_that_is_said() -> None:
    counters = Failing()
    _, plan = planned(counters)
    for wrong, wait, said in (
        (Busy("its disk is full", retry_after=77.0), 77.0, "its disk is full"),
        (Busy("canary"), 5.0, "quotas cannot be counted right now; try again later"),
        (ValueError("canary"), 5.0, "quotas cannot be counted right now; try again later"),
    ):
        counters.wrong = wrong
        with pytest.raises(QuotaExceeded) as refused:
            await plan.reserve("ada", {"cost": 1.0})
        assert (refused.value.message, refused.value.retry_after) == (said, wait)


async def left_while_reserving(counters: Slow) -> None:
    _, plan = planned(counters)
    task = asyncio.ensure_future(plan.reserve("ada", {"cost": 1.0}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_where_nothing_was_taken_for_a_caller_that_has_left_nothing_is_given_back() -> None:
    complaints = listening()
    for outcome in ("short", "failed", "cancelled"):
        slow = Slow()
        await left_while_reserving(slow)
        if outcome == "short":
            slow.asked.set_result((0, 1.0, ()))
        elif outcome == "failed":
            slow.asked.set_exception(Busy("closed"))
        else:
            slow.asked.cancel()
        await asyncio.sleep(0)
        assert (slow.settlements, complaints) == (0, []), outcome


async def test_a_settlement_that_was_given_up_when_the_server_ends_is_no_fault() -> None:
    complaints = listening()
    never = asyncio.get_running_loop().create_future()

    class Ending(Slow):
        def settle(self, changes: Any) -> asyncio.Future[None]:
            return never

    ending = Ending()
    ending.asked.set_result((-1, 0.0, (99.0,)))
    quotas, plan = planned(ending)
    hold = await plan.reserve("ada", {"cost": 2.0})
    assert hold is not None
    plan.settle(hold, None)
    never.cancel()
    await asyncio.sleep(0)
    assert (quotas.uncounted, complaints) == (0, [])


@pytest.mark.parametrize("short, given_back", [(-1, [("quota", "ada", 99.0, -1.0)]), (0, [])])
async def test_what_is_taken_for_a_caller_that_has_left_is_given_back(short: int, given_back: list[Any]) -> None:
    slow = Slow()
    plan = Quotas(slow, always=(cost_of("5/day"),)).plan("tool", "any")
    assert plan is not None
    task = asyncio.ensure_future(plan.reserve("ada", amounts()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    slow.asked.set_result((short, 1.0, (99.0,) if short < 0 else ()))
    await asyncio.sleep(0)
    assert slow.settled == given_back


async def test_a_disk_that_hangs_holds_no_call_for_ever_and_what_it_took_at_last_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("holdfast.access.quotas.MAX_WAIT", 0.01)
    given: list[Any] = []

    class Hanging:
        def reserve(self, wants: Any) -> asyncio.Future[Any]:
            self.asked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            return self.asked

        def settle(self, changes: Any) -> asyncio.Future[None]:
            given.extend(changes)
            return asyncio.get_running_loop().create_future()

    hanging = Hanging()
    plan = Quotas(hanging, always=(cost_of("5/day"),)).plan("tool", "any")
    assert plan is not None
    with pytest.raises(QuotaExceeded, match="cannot be counted"):
        await plan.reserve("ada", {"cost": 2.0})
    hanging.asked.set_result((-1, 0.0, (77.0,)))
    await asyncio.sleep(0)
    assert given == [("quota", "ada", 77.0, -2.0)]
