"""One origin call for all who ask at once; a caller that goes away harms nobody."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.core.pipeline import Answer
from holdfast.errors import AccessDenied, BreakerOpen, ToolError
from holdfast.resilience.cache import MAX_RENEWALS, CoalescingCache, Terms, size_of
from holdfast.resilience.deadline import Orphans
from holdfast.testing.clock import FakeClock


class Marked:
    """Has one slot, written as slots may be written."""

    __slots__ = "text"

    def __init__(self) -> None:
        self.text = "x" * 1_000


class Origin:
    """Answers when released; remembers how often it was asked, and what was cancelled."""

    def __init__(self) -> None:
        self.calls = 0
        self.cancelled = 0
        self.release = asyncio.Event()
        self.failure: BaseException | None = None

    async def __call__(self) -> str:
        self.calls += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        return f"answer {self.calls}"


def crowd(cache: CoalescingCache, origin: Origin, count: int, ttl: float = 60) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(cache.get("key", ttl, origin)) for _ in range(count)]


async def test_two_hundred_callers_cost_one_origin_call() -> None:
    """aiocache made 200 origin calls for 200 callers."""
    clock, origin = FakeClock(), Origin()
    cache = CoalescingCache(clock)
    callers = crowd(cache, origin, 200)
    await clock.settle()
    origin.release.set()
    assert set(await asyncio.gather(*callers)) == {"answer 1"}
    assert (origin.calls, cache.misses, cache.coalesced, cache.hits) == (1, 1, 199, 0)
    assert await cache.get("key", 60, origin) == "answer 1"
    assert cache.hits == 1
    assert cache.flights == 0


async def test_a_cancelled_leader_fails_nobody_else() -> None:
    """The naive single flight failed 50 of 50 callers."""
    clock, origin = FakeClock(), Origin()
    cache = CoalescingCache(clock)
    callers = crowd(cache, origin, 50)
    await clock.settle()
    callers[0].cancel()
    await clock.settle()
    origin.release.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == ["answer 1"] * 49
    assert (origin.calls, origin.cancelled) == (1, 0)


async def test_when_the_last_caller_goes_so_does_the_origin_call() -> None:
    clock, origin = FakeClock(), Origin()
    cache = CoalescingCache(clock)
    callers = crowd(cache, origin, 5)
    await clock.settle()
    for caller in callers:
        caller.cancel()
    await clock.settle()
    assert all(caller.cancelled() for caller in callers)
    assert (origin.cancelled, cache.flights, len(cache)) == (1, 0, 0)


async def test_the_last_caller_ends_only_when_the_origin_call_really_ended() -> None:
    clock, release = FakeClock(), asyncio.Event()
    cache = CoalescingCache(clock)

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await release.wait()
        return "never kept"

    caller = asyncio.create_task(cache.get("key", 60, stubborn))
    await clock.settle()
    caller.cancel()
    await clock.settle()
    assert not caller.done()
    assert cache.flights == 1
    release.set()
    await clock.settle()
    assert caller.cancelled()
    assert (cache.flights, len(cache)) == (0, 0)


async def test_a_newcomer_does_not_join_a_call_that_is_being_cancelled() -> None:
    clock, release = FakeClock(), asyncio.Event()
    cache = CoalescingCache(clock)

    async def failing() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await release.wait()
        raise ValueError("nobody hears this")

    async def quick() -> str:
        return "fresh"

    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
    caller = asyncio.create_task(cache.get("key", 60, failing))
    await clock.settle()
    caller.cancel()
    await clock.settle()
    assert await cache.get("key", 60, quick) == "fresh"
    caller.cancel()  # impatient: gives up even on the end of the clean-up
    await clock.settle()
    assert caller.cancelled()
    release.set()
    await clock.settle()
    gc.collect()
    assert reports == []
    assert cache.flights == 0
    assert await cache.get("key", 60, failing) == "fresh"


async def test_a_caller_cancelled_when_the_answer_is_there_leaves_it_kept() -> None:
    clock, origin = FakeClock(), Origin()
    cache = CoalescingCache(clock)
    caller = crowd(cache, origin, 1)[0]
    await clock.settle()
    origin.release.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await clock.settle()
    assert caller.cancelled()
    assert await cache.get("key", 60, origin) == "answer 1"


async def test_failures_are_shared_by_those_who_waited_and_never_kept() -> None:
    clock, origin = FakeClock(), Origin()
    cache = CoalescingCache(clock)
    origin.failure = LookupError("down")
    callers = crowd(cache, origin, 3)
    await clock.settle()
    origin.release.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    origin.failure = None
    assert await cache.get("key", 60, origin) == "answer 2"


async def test_an_origin_that_cancels_itself_does_not_cancel_its_callers() -> None:
    async def suicidal() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled itself"):
        await CoalescingCache(FakeClock()).get("key", 60, suicidal)


async def test_answers_are_kept_for_their_time_and_no_longer() -> None:
    clock, origin = FakeClock(), Origin()
    cache = CoalescingCache(clock)
    origin.release.set()
    assert await cache.get("key", 10, origin) == "answer 1"
    await clock.advance(9.9)
    assert await cache.get("key", 10, origin) == "answer 1"
    await clock.advance(0.1)
    assert await cache.get("key", 10, origin) == "answer 2"


async def test_without_a_time_to_live_calls_are_only_joined() -> None:
    origin = Origin()
    cache = CoalescingCache(FakeClock())
    origin.release.set()
    assert await cache.get("key", 0, origin) == "answer 1"
    assert await cache.get("key", 0, origin) == "answer 2"


async def test_different_principals_never_share() -> None:
    cache = CoalescingCache(FakeClock())

    async def mine() -> str:
        return "mine"

    async def yours() -> str:
        return "yours"

    assert await cache.get(("tool", "me"), 60, mine) == "mine"
    assert await cache.get(("tool", "you"), 60, yours) == "yours"


async def test_the_least_recently_used_go_first_at_either_bound() -> None:
    cache = CoalescingCache(FakeClock(), max_entries=3, max_bytes=100, size=len)

    async def put(key: str, size: int) -> None:
        async def make() -> str:
            return "x" * size

        await cache.get(key, 60, make)

    for key in "abc":
        await put(key, 10)
    await put("a", 10)
    await put("d", 10)
    assert list(cache._entries) == ["c", "a", "d"]
    await put("e", 85)
    assert (list(cache._entries), cache.bytes) == (["d", "e"], 95)
    await put("huge", 101)
    assert "huge" not in cache._entries


async def test_memory_pressure_can_shrink_it() -> None:
    cache = CoalescingCache(FakeClock(), size=lambda value: 100)
    for number in range(10):
        await cache.get(number, 60, lambda: asyncio.sleep(0, "value"))
    assert cache.shrink(0.3) == 700
    assert list(cache._entries) == [7, 8, 9]
    cache.clear()
    assert (len(cache), cache.bytes, cache.shrink()) == (0, 0, 0)


def test_sizes_are_estimated_all_the_way_down_but_not_for_ever() -> None:
    @dataclass
    class Model:
        text: str

    assert size_of("x" * 1_000) >= 1_000
    assert size_of({"a": ["x" * 500, ("y" * 500, {"z" * 500})]}) >= 1_500
    assert size_of(Model("x" * 1_000)) >= 1_000
    assert size_of(Answer({"content": "x" * 1_000}, encoded=b"y" * 500)) >= 1_500, "what has slots holds things too"
    assert size_of(Marked()) >= 1_000
    assert size_of([Answer]) < 1_000, "a class belongs to nobody's answer"
    loop: list[object] = []
    loop.append(loop)
    assert size_of(loop) == sys.maxsize


class CoalescingMachine(RuleBasedStateMachine):
    """Callers join, are cancelled at every turn, and origins end well or badly; nothing stays behind."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.cache = CoalescingCache(self.clock, max_entries=2)
        self.origins: list[Origin] = []
        self.callers: list[asyncio.Task[str]] = []
        self.unwanted: set[asyncio.Task[str]] = set()
        self.active: dict[str, int] = {"a": 0, "b": 0, "c": 0}

    def step(self, turns: int) -> None:
        async def run() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    @rule(key=st.sampled_from("abc"), ttl=st.sampled_from([0, 5]), turns=st.integers(0, 4))
    def ask(self, key: str, ttl: float, turns: int) -> None:
        origin = Origin()

        async def make() -> str:
            self.origins.append(origin)
            self.active[key] += 1
            try:
                return await origin()
            finally:
                self.active[key] -= 1

        self.callers.append(self.loop.create_task(self.cache.get(key, ttl, make)))
        self.step(turns)

    @precondition(lambda self: self.callers)
    @rule(data=st.data(), turns=st.integers(0, 4))
    def cancel(self, data: Any, turns: int) -> None:
        task = data.draw(st.sampled_from(self.callers))
        if task.cancel():
            self.unwanted.add(task)
        self.step(turns)

    @precondition(lambda self: self.origins)
    @rule(data=st.data(), fails=st.booleans(), turns=st.integers(0, 4))
    def answer(self, data: Any, fails: bool, turns: int) -> None:
        origin = self.origins.pop(data.draw(st.integers(0, len(self.origins) - 1)))
        origin.failure = LookupError() if fails else None
        origin.release.set()
        self.step(turns)

    @rule(seconds=st.integers(0, 6))
    def pass_time(self, seconds: int) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @invariant()
    def the_origin_is_asked_once_at_a_time(self) -> None:
        assert all(count <= 2 for count in self.active.values())  # 2: one that ends cancelled, and its successor
        assert len(self.cache) <= 2

    @invariant()
    def nobody_fails_for_anothers_cancellation(self) -> None:
        for task in self.callers:
            if task.done() and task not in self.unwanted:
                assert not task.cancelled()
                assert task.exception() is None or isinstance(task.exception(), LookupError)
        self.callers = [task for task in self.callers if not task.done()]

    def teardown(self) -> None:
        for task in self.callers:
            task.cancel()
        self.step(60)
        assert all(task.done() for task in self.callers)
        assert self.cache.flights == 0
        assert set(self.active.values()) == {0}
        for task in self.callers:
            _ = task.cancelled() or task.exception()
        self.loop.close()


TestCoalescingMachine = CoalescingMachine.TestCase
TestCoalescingMachine.settings = settings(deadline=None, max_examples=60)


async def test_an_origin_call_past_its_time_is_left_to_those_who_wait_for_it_and_ended_with_the_last() -> None:
    clock, hung, fresh = FakeClock(), Origin(), Origin()
    cache = CoalescingCache(clock)
    early = [asyncio.create_task(cache.get("key", 60, hung, until=clock.now() + 10)) for _ in range(2)]
    await clock.advance(9.9)
    early.append(asyncio.create_task(cache.get("key", 60, hung, until=clock.now() + 20)))
    await clock.advance(0.1)
    late = asyncio.create_task(cache.get("key", 60, fresh, until=clock.now() + 20))
    await clock.settle()
    assert (hung.calls, fresh.calls, cache.flights, cache.coalesced) == (1, 1, 2, 2)
    for each in early:
        each.cancel()
    await asyncio.wait(early)
    assert (hung.cancelled, cache.flights) == (1, 1)
    fresh.release.set()
    assert await late == "answer 1"
    assert await cache.get("key", 60, fresh) == "answer 1"
    assert fresh.calls == 1


async def test_what_an_origin_call_past_its_time_says_is_heard_and_not_kept() -> None:
    clock, slow, fresh = FakeClock(), Origin(), Origin()
    cache = CoalescingCache(clock)
    early = asyncio.create_task(cache.get("key", 60, slow, until=clock.now() + 10))
    await clock.advance(10)
    late = asyncio.create_task(cache.get("key", 60, fresh, until=clock.now() + 20))
    await clock.settle()
    slow.release.set()
    assert await early == "answer 1"
    assert len(cache) == 0
    fresh.release.set()
    await late
    assert (len(cache), cache.flights) == (1, 0)


# -- stale answers -----------------------------------------------------------------------------------------------------

STALE = Terms(10, stale=5, stale_on_error=20)


async def kept(clock: FakeClock, seconds: float, terms: Terms = STALE) -> tuple[CoalescingCache, Orphans]:
    """A cache with one answer in it, made ``seconds`` ago."""
    owner = Orphans()
    cache = CoalescingCache(clock, own=owner.add)
    assert await cache.ask("key", terms, Quick("old")) == ("old", None)
    await clock.advance(seconds)
    return cache, owner


class Quick:
    """Answers at once, or fails."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_stale_answer_is_given_at_once_and_renewed_once_however_many_ask() -> None:
    clock, origin = FakeClock(), Origin()
    cache, owner = await kept(clock, 12)
    never = Quick(AssertionError())
    for _ in range(50):
        assert await cache.ask("key", STALE, never, renew=origin) == ("old", 12)
    await clock.settle()
    assert (origin.calls, never.calls, cache.stale, cache.renewing, owner.count) == (1, 0, 50, 1, 1)
    origin.release.set()
    await clock.settle()
    assert await cache.ask("key", STALE, never) == ("answer 1", None)
    assert (cache.renewing, cache.flights, owner.count, len(cache)) == (0, 0, 0, 1)


async def test_an_answer_that_is_fresh_or_too_old_is_never_given_as_stale() -> None:
    clock, renewal = FakeClock(), Quick("renewed")
    cache, _ = await kept(clock, 9.9)
    assert await cache.ask("key", STALE, Quick("new"), renew=renewal) == ("old", None)
    cache, _ = await kept(clock, 15)
    assert await cache.ask("key", STALE, Quick("new"), renew=renewal) == ("new", None)
    cache, _ = await kept(clock, 30)
    with pytest.raises(ConnectionError):
        await cache.ask("key", STALE, Quick(ConnectionError()))
    assert renewal.calls == 0


async def test_a_renewal_that_fails_leaves_the_old_answer_and_is_tried_again() -> None:
    clock, reports = FakeClock(), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
    cache, _ = await kept(clock, 12)
    bad = Quick(ConnectionError())
    for _ in range(2):
        assert await cache.ask("key", STALE, bad, renew=bad) == ("old", 12)
        await clock.settle()
    gc.collect()
    assert (bad.calls, cache.renewing, cache.flights, reports) == (2, 0, 0, [])


async def test_renewals_are_bounded_and_take_no_place_from_each_other() -> None:
    clock, origin, owner = FakeClock(), Origin(), Orphans()
    cache = CoalescingCache(clock, own=owner.add)
    for key in range(MAX_RENEWALS + 3):
        await cache.ask(key, STALE, Quick("old"))
    await clock.advance(12)
    for key in range(MAX_RENEWALS + 3):
        assert (await cache.ask(key, STALE, origin, renew=origin))[0] == "old"
    await clock.settle()
    assert (origin.calls, cache.renewing, owner.count) == (MAX_RENEWALS,) * 3
    await owner.close(1)
    assert (origin.cancelled, cache.renewing, cache.flights) == (MAX_RENEWALS, 0, 0)


async def test_who_joins_a_renewal_and_leaves_does_not_end_it() -> None:
    clock, origin = FakeClock(), Origin()
    cache, _ = await kept(clock, 12)
    await cache.ask("key", STALE, origin, renew=origin)
    await clock.advance(20)
    joined = asyncio.create_task(cache.ask("key", STALE, origin))
    await clock.settle()
    joined.cancel()
    await clock.settle()
    assert joined.cancelled()
    assert (origin.calls, origin.cancelled, cache.flights) == (1, 0, 1)
    origin.release.set()
    await clock.settle()
    assert await cache.ask("key", STALE, origin) == ("answer 1", None)


@pytest.mark.parametrize(
    "failure, stands_in",
    [
        (ConnectionError(), True),
        (BreakerOpen("x"), True),
        (ToolError("x"), False),
        (AccessDenied("x"), False),
        (PermissionError(), False),
        (ExceptionGroup("several", [ConnectionError(), ExceptionGroup("more", [PermissionError()])]), False),
    ],
    ids=str,
)
async def test_an_old_answer_stands_in_for_a_failure_but_not_for_what_the_caller_should_read(
    failure: Exception, stands_in: bool
) -> None:
    clock = FakeClock()
    cache, _ = await kept(clock, 16)
    if stands_in:
        assert await cache.ask("key", STALE, Quick(failure)) == ("old", 16)
    else:
        with pytest.raises(type(failure)):
            await cache.ask("key", STALE, Quick(failure))
    assert await cache.ask("key", STALE, Quick("new")) == ("new", None)


@pytest.mark.parametrize("late", [12, 16], ids=["renewed in the background", "asked for in its place"])
async def test_who_may_no_longer_call_is_not_given_the_old_answer_again(late: float) -> None:
    clock = FakeClock()
    cache, _ = await kept(clock, late)
    denied = Quick(AccessDenied("x"))
    if late == 12:
        assert await cache.ask("key", STALE, denied, None, denied) == ("old", late)
        await clock.settle()
    for _ in range(2):
        with pytest.raises(AccessDenied):
            await cache.ask("key", STALE, denied, None, denied)
    assert len(cache) == cache.bytes == 0


async def test_an_old_answer_stands_in_when_a_fifth_of_the_time_is_left_and_the_origin_call_is_ended() -> None:
    clock, origin = FakeClock(), Origin()
    cache, owner = await kept(clock, 16)
    callers = [asyncio.create_task(cache.ask("key", STALE, origin, clock.now() + 10)) for _ in range(2)]
    callers.append(asyncio.create_task(cache.ask("key", STALE, origin, clock.now() + 100)))
    await clock.advance(7.9)
    assert not any(each.done() for each in callers)
    await clock.advance(0.2)
    assert [each.result()[0] for each in callers[:2]] == ["old", "old"]
    assert (origin.calls, origin.cancelled) == (1, 0), "one still waits"
    callers[2].cancel()
    await clock.settle()
    assert (origin.cancelled, cache.flights) == (1, 0)
    last = asyncio.create_task(cache.ask("key", STALE, origin, clock.now() + 5))
    await clock.advance(4.1)
    assert last.result()[0] == "old"
    assert (origin.calls, origin.cancelled, cache.flights, owner.count) == (2, 2, 0, 0)


async def test_an_origin_call_that_will_not_end_is_owned_when_an_old_answer_stood_in_for_it() -> None:
    clock, release = FakeClock(), asyncio.Event()
    cache, owner = await kept(clock, 16)

    async def stubborn() -> str:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        return "never kept"

    caller = asyncio.create_task(cache.ask("key", STALE, stubborn, clock.now() + 10))
    await clock.advance(8.1)
    assert caller.result()[0] == "old"
    assert (owner.count, cache.flights) == (1, 1)
    release.set()
    await clock.settle()
    assert (owner.count, cache.flights) == (0, 0)
    assert await cache.ask("key", STALE, Quick("new")) == ("new", None)


async def test_without_an_owner_nothing_is_renewed_in_the_background() -> None:
    clock, renewal = FakeClock(), Quick("renewed")
    cache = CoalescingCache(clock)
    await cache.ask("key", STALE, Quick("old"))
    await clock.advance(12)
    assert await cache.ask("key", STALE, renewal, renew=renewal) == ("old", 12)
    await clock.advance(5)
    caller = asyncio.create_task(cache.ask("key", STALE, Origin(), clock.now() + 10))
    await clock.advance(8.1)
    assert caller.result()[0] == "old"
    assert (renewal.calls, cache.flights) == (0, 0)


class StaleMachine(CoalescingMachine):
    """The same with answers that may be stale: renewals have an owner, and end with it."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = Orphans()
        self.cache = CoalescingCache(self.clock, max_entries=2, own=self.owner.add)

    @rule(
        key=st.sampled_from("abc"),
        terms=st.builds(Terms, st.sampled_from([0, 3]), st.sampled_from([0, 4]), st.sampled_from([0, 9])),
        left=st.sampled_from([None, 2, 8]),
        turns=st.integers(0, 4),
    )
    def ask_for_a_stale_one(self, key: str, terms: Terms, left: float | None, turns: int) -> None:
        origin = Origin()

        async def make() -> str:
            self.origins.append(origin)
            self.active[key] += 1
            try:
                return await origin()
            finally:
                self.active[key] -= 1

        async def call() -> str:
            until = None if left is None else self.clock.now() + left
            answer, age = await self.cache.ask(key, terms, make, until, make)
            assert age is None or 0 < age < terms.ttl + max(terms.stale, terms.stale_on_error) + 9
            return answer

        self.callers.append(self.loop.create_task(call()))
        self.step(turns)

    @invariant()
    def the_origin_is_asked_once_at_a_time(self) -> None:
        """But for those past their time, which nobody joins: each is for somebody who waits, or has an owner."""
        waiting = sum(not each.done() for each in self.callers)
        assert sum(self.active.values()) <= waiting + self.owner.count
        assert self.cache.renewing <= self.owner.count
        assert len(self.cache) <= 2

    def teardown(self) -> None:
        self.loop.run_until_complete(self.owner.close(1))
        super().teardown()
        assert (self.owner.count, self.cache.renewing, self.clock.sleeping) == (0, 0, 0)


TestStaleMachine = StaleMachine.TestCase
TestStaleMachine.settings = settings(deadline=None, max_examples=40, stateful_step_count=30)
