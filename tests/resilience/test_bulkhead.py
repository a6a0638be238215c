"""Never more inside than allowed, never more waiting than allowed, and no place is ever lost."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.errors import Busy, DeadlineExceeded, Overloaded
from holdfast.resilience.bulkhead import Bulkhead
from holdfast.testing.clock import FakeClock


def without_suspending(bulkhead: Bulkhead) -> bool:
    """Whether ``enter`` finishes before it first suspends."""
    entering = bulkhead.enter(None)
    try:
        entering.send(None)
    except StopIteration:
        return True
    entering.close()
    return False


async def test_a_free_place_is_taken_without_suspending() -> None:
    bulkhead = Bulkhead(2, 1, FakeClock())
    assert without_suspending(bulkhead)
    assert without_suspending(bulkhead)
    assert not without_suspending(bulkhead)
    assert (bulkhead.running, bulkhead.queued) == (2, 0)  # the closed coroutine left the line


async def test_two_places_are_taken_together_or_not_at_all_and_given_back_together() -> None:
    clock = FakeClock()
    own, total = Bulkhead(1, 1, clock), Bulkhead(2, 1, clock)
    assert own.try_enter_with(total)
    assert not own.try_enter_with(total)
    assert (own.running, total.running) == (1, 1)
    own.leave_with(total)
    assert (own.running, total.running) == (0, 0)
    small = Bulkhead(1, 1, clock)
    assert small.try_enter()
    assert not own.try_enter_with(small)
    assert (own.running, small.running) == (0, 1)
    with pytest.raises(RuntimeError):
        own.leave_with(small)
    assert small.running == 0, "what was held is given back all the same"


async def test_places_that_are_given_back_together_go_to_those_who_wait_for_them() -> None:
    clock = FakeClock()
    own, total = Bulkhead(1, 1, clock), Bulkhead(1, 1, clock)
    assert own.try_enter_with(total)
    waiting = [asyncio.ensure_future(each.enter(None)) for each in (own, total)]
    await asyncio.sleep(0)
    assert (own.queued, total.queued) == (1, 1)
    own.leave_with(total)
    await asyncio.gather(*waiting)
    assert (own.running, total.running) == (1, 1)


async def test_waiters_enter_first_come_first_served() -> None:
    clock, order = FakeClock(), []
    bulkhead = Bulkhead(1, 10, clock)
    await bulkhead.enter(None)

    async def caller(number: int) -> None:
        await bulkhead.enter(None if number % 2 else 2000.0)
        order.append(number)
        bulkhead.leave()

    tasks = [asyncio.create_task(caller(number)) for number in range(5)]
    await clock.settle()
    assert bulkhead.queued == 5
    bulkhead.leave()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]
    assert (bulkhead.running, bulkhead.queued, clock.sleeping) == (0, 0, 0)


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    """The naive semaphore queues without bound."""
    clock = FakeClock()
    bulkhead = Bulkhead(1, 2, clock)
    await bulkhead.enter(None)
    waiting = [asyncio.create_task(bulkhead.enter(None)) for _ in range(2)]
    await clock.settle()
    for _ in range(1_000):
        with pytest.raises(Busy) as refused:
            await bulkhead.enter(None)
    assert refused.value.retry_after == 3.0
    assert bulkhead.queued == 2
    for _ in range(3):
        bulkhead.leave()
        await clock.settle()
    assert all(task.done() for task in waiting)


async def test_the_hint_follows_the_rate_at_which_places_come_free() -> None:
    clock = FakeClock()
    bulkhead = Bulkhead(1, 1, clock)

    async def crowd(rounds: int, seconds: float) -> None:
        for _ in range(rounds):
            waiter = asyncio.create_task(bulkhead.enter(None))
            await clock.advance(seconds)
            bulkhead.leave()
            await waiter

    async def hint() -> float | None:
        waiter = asyncio.create_task(bulkhead.enter(None))
        await clock.settle()
        with pytest.raises(Busy) as refused:
            await bulkhead.enter(None)
        bulkhead.leave()
        await waiter
        return refused.value.retry_after

    await bulkhead.enter(None)
    await crowd(40, 4.0)
    assert await hint() == pytest.approx(8.0, rel=0.1)
    await crowd(60, 0.001)
    assert await hint() == 0.1
    await crowd(60, 500.0)
    assert await hint() == 30.0
    bulkhead.leave()


async def test_a_waiter_whose_deadline_passes_is_told_so_and_leaves_the_line() -> None:
    clock = FakeClock()
    bulkhead = Bulkhead(1, 5, clock)
    await bulkhead.enter(None)
    waiter = asyncio.create_task(bulkhead.enter(1002.0))
    await clock.advance(3)
    with pytest.raises(DeadlineExceeded):
        await waiter
    assert bulkhead.queued == 0


class Late(FakeClock):
    """Time passes, but no timer ever fires: a loop too busy to notice deadlines."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


async def test_expired_waiters_make_room_in_a_full_queue() -> None:
    clock = Late()
    bulkhead = Bulkhead(1, 2, clock)
    await bulkhead.enter(None)
    expired = asyncio.create_task(bulkhead.enter(1001.0))
    alive = asyncio.create_task(bulkhead.enter(1100.0))
    await clock.advance(2)
    newcomer = asyncio.create_task(bulkhead.enter(1100.0))
    await clock.settle()
    with pytest.raises(DeadlineExceeded):
        await expired
    bulkhead.leave()
    await alive
    bulkhead.leave()
    await newcomer


async def test_a_place_never_goes_to_work_that_is_already_too_late() -> None:
    clock = Late()
    bulkhead = Bulkhead(1, 2, clock)
    await bulkhead.enter(None)
    expired = asyncio.create_task(bulkhead.enter(1001.0))
    alive = asyncio.create_task(bulkhead.enter(1100.0))
    await clock.advance(2)
    bulkhead.leave()
    await alive
    with pytest.raises(DeadlineExceeded):
        await expired


@pytest.mark.parametrize("deadline", [None, 2000.0])
async def test_a_waiter_cancelled_in_the_turn_in_which_it_is_let_in_gives_the_place_on(deadline: float | None) -> None:
    clock = FakeClock()
    bulkhead = Bulkhead(1, 5, clock)
    await bulkhead.enter(None)
    first = asyncio.create_task(bulkhead.enter(deadline))
    second = asyncio.create_task(bulkhead.enter(deadline))
    await clock.settle()
    bulkhead.leave()
    first.cancel()
    await clock.settle()
    assert first.cancelled()
    assert second.done()
    bulkhead.leave()
    assert bulkhead.running == 0


async def test_a_waiter_dropped_and_cancelled_in_the_same_turn_takes_no_place() -> None:
    clock = Late()
    bulkhead = Bulkhead(1, 1, clock)
    await bulkhead.enter(None)
    waiter = asyncio.create_task(bulkhead.enter(1001.0))
    await clock.advance(2)
    waiter.cancel()
    bulkhead.leave()
    await clock.settle()
    assert waiter.cancelled()
    assert bulkhead.running == 0


async def test_a_waiter_cancelled_before_the_place_comes_free_is_passed_over() -> None:
    clock = FakeClock()
    bulkhead = Bulkhead(1, 5, clock)
    await bulkhead.enter(None)
    waiter = asyncio.create_task(bulkhead.enter(None))
    await clock.settle()
    waiter.cancel()
    bulkhead.leave()
    await clock.settle()
    assert (bulkhead.running, bulkhead.queued) == (0, 0)


async def test_a_free_place_can_be_taken_without_a_coroutine_and_never_past_the_line() -> None:
    bulkhead = Bulkhead(1, 1, FakeClock())
    assert bulkhead.try_enter()
    waiter = asyncio.create_task(bulkhead.enter(None))
    await asyncio.sleep(0)
    bulkhead.leave()
    assert not bulkhead.try_enter(), "the place went to whoever waited"
    await waiter
    bulkhead.leave()
    assert (bulkhead.try_enter(), bulkhead.running) == (True, 1)


async def served(bulkhead: Bulkhead, clock: FakeClock, ranks: list[int]) -> list[int]:
    """Callers of these ranks come one after the other; their numbers in the order in which they are let in."""
    order: list[int] = []

    async def caller(number: int, rank: int) -> None:
        await bulkhead.enter(None, rank)
        order.append(number)
        bulkhead.leave()

    tasks = [asyncio.create_task(caller(number, rank)) for number, rank in enumerate(ranks)]
    await clock.settle()
    bulkhead.leave()
    await asyncio.gather(*tasks, return_exceptions=True)
    return order


async def test_a_higher_rank_is_served_first_and_among_equals_who_came_first() -> None:
    clock = FakeClock()
    bulkhead = Bulkhead(1, 10, clock)
    await bulkhead.enter(None)
    assert await served(bulkhead, clock, [2, 1, 0, 2, 1, 0]) == [2, 5, 1, 4, 0, 3]


async def test_in_a_full_queue_the_newest_of_the_lowest_rank_makes_room_and_equals_do_not() -> None:
    clock = FakeClock()
    bulkhead = Bulkhead(1, 3, clock)
    await bulkhead.enter(None)
    waiting = [asyncio.create_task(bulkhead.enter(None, rank)) for rank in (2, 2, 1)]
    await clock.settle()
    for rank in (1, 0):
        waiting.append(asyncio.create_task(bulkhead.enter(None, rank)))
        await clock.settle()
    assert [task.done() for task in waiting] == [True, True, False, False, False]
    for task in waiting[:2]:
        refused = task.exception()
        assert isinstance(refused, Overloaded)
        assert refused.retry_after == 3.0
    with pytest.raises(Busy):
        await bulkhead.enter(None, 1)
    assert bulkhead.queued == 3
    for task in waiting:
        task.cancel()
    await clock.settle()
    assert bulkhead.queued == 0


async def test_waiters_of_a_rank_that_is_refused_are_sent_away_when_a_place_comes_free() -> None:
    clock = FakeClock()
    bulkhead, own = Bulkhead(1, 9, clock), Bulkhead(9, 9, clock)
    await bulkhead.enter(None)
    waiting = [asyncio.create_task(bulkhead.enter(None, rank)) for rank in (2, 1, 2)]
    await clock.settle()
    bulkhead.classes = 2
    bulkhead.leave()
    await clock.settle()
    assert [isinstance(task.exception(), Overloaded) for task in (waiting[0], waiting[2])] == [True, True]
    await waiting[1]
    bulkhead.leave()
    assert not own.try_enter_with(bulkhead), "who comes now has to ask first"
    bulkhead.classes = 3
    assert own.try_enter_with(bulkhead)


async def test_more_places_let_waiters_in_at_once_and_fewer_stop_nobody() -> None:
    clock = FakeClock()
    bulkhead = Bulkhead(1, 9, clock)
    await bulkhead.enter(None)
    waiting = [asyncio.create_task(bulkhead.enter(None)) for _ in range(4)]
    await clock.settle()
    bulkhead.resize(3)
    await clock.settle()
    assert [task.done() for task in waiting] == [True, True, False, False]
    bulkhead.resize(1)
    assert (bulkhead.running, bulkhead.places, bulkhead.queued) == (3, 1, 2)
    for left in (2, 1):
        bulkhead.leave()
        await clock.settle()
        assert (bulkhead.running, bulkhead.queued) == (left, 2), "a place too many goes to nobody"
    bulkhead.leave()
    bulkhead.resize(9)
    await asyncio.gather(*waiting)
    for _ in range(2):
        bulkhead.leave()
    assert (bulkhead.running, bulkhead.queued) == (0, 0)
    with pytest.raises(ValueError, match="bulkhead"):
        bulkhead.resize(0)


async def test_how_long_the_longest_waits_is_told_without_those_whose_time_has_passed() -> None:
    clock = Late()
    bulkhead = Bulkhead(1, 9, clock)
    await bulkhead.enter(None)
    assert bulkhead.waited() == 0
    first = asyncio.create_task(bulkhead.enter(clock.now() + 3, 0))
    await clock.advance(2)
    second = asyncio.create_task(bulkhead.enter(None, 2))
    await clock.settle()
    assert bulkhead.waited() == 2
    await clock.advance(1.5)
    assert (bulkhead.waited(), bulkhead.queued) == (1.5, 1)
    with pytest.raises(DeadlineExceeded):
        await first
    bulkhead.leave()
    await second


def test_leaving_more_often_than_entering_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="enter"):
        Bulkhead(1, 1, FakeClock()).leave()


@pytest.mark.parametrize("running, queue", [(0, 1), (1, -1)])
def test_a_bulkhead_without_places_cannot_be_built(running: int, queue: int) -> None:
    with pytest.raises(ValueError, match="bulkhead"):
        Bulkhead(running, queue, FakeClock())


class BulkheadMachine(RuleBasedStateMachine):
    """Callers of every rank come, leave, expire and are cancelled at every turn of the loop, while the number of places
    and the ranks that are let in change."""

    PLACES, QUEUE, MOST = 2, 5, 4

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.bulkhead = Bulkhead(self.PLACES, self.QUEUE, self.clock)
        self.inside: set[int] = set()
        self.most = self.PLACES
        """How many may run: the places, or until enough have left, those who ran when there were more."""
        self.callers: dict[int, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self.names = 0

    def step(self, turns: int) -> None:
        async def run() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    async def call(self, name: int, deadline: float | None, rank: int, done: asyncio.Event) -> None:
        await self.bulkhead.enter(deadline, rank)
        self.inside.add(name)
        try:
            await done.wait()
        finally:
            self.inside.discard(name)
            self.bulkhead.leave()

    @rule(within=st.one_of(st.none(), st.integers(0, 5)), rank=st.integers(0, 2), turns=st.integers(0, 3))
    def come(self, within: int | None, rank: int, turns: int) -> None:
        self.names += 1
        done = asyncio.Event()
        deadline = None if within is None else self.clock.now() + within
        task = self.loop.create_task(self.call(self.names, deadline, rank, done))
        self.callers[self.names] = (task, done)
        self.step(turns)

    @precondition(lambda self: self.callers)
    @rule(data=st.data(), cancel=st.booleans(), turns=st.integers(0, 3))
    def end(self, data: Any, cancel: bool, turns: int) -> None:
        task, done = self.callers[data.draw(st.sampled_from(sorted(self.callers)))]
        if cancel:
            task.cancel()
        else:
            done.set()
        self.step(turns)

    @rule(seconds=st.integers(0, 4))
    def pass_time(self, seconds: int) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule(places=st.integers(1, MOST), turns=st.integers(0, 2))
    def resize(self, places: int, turns: int) -> None:
        self.most = max(places, self.bulkhead.running)
        self.bulkhead.resize(places)
        self.step(turns)

    @rule(classes=st.integers(1, 3))
    def refuse(self, classes: int) -> None:
        self.bulkhead.classes = classes

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.inside) <= self.bulkhead.running <= self.most
        self.most = max(self.bulkhead.places, min(self.most, self.bulkhead.running))
        assert self.bulkhead.queued <= self.QUEUE
        assert not self.bulkhead.queued or self.bulkhead.running >= self.bulkhead.places, "no place is free meanwhile"
        for name, (task, _) in list(self.callers.items()):
            if task.done():
                del self.callers[name]
                assert (
                    task.cancelled()
                    or task.exception() is None
                    or isinstance(task.exception(), Busy | DeadlineExceeded | Overloaded)
                )

    def teardown(self) -> None:
        for task, done in self.callers.values():
            done.set()  # everybody who waits gets in, without any more time passing
            if len(self.callers) % 2:
                task.cancel()
        self.step(60)
        assert (self.bulkhead.running, self.bulkhead.queued, self.inside) == (0, 0, set())
        for task, _ in self.callers.values():
            assert task.done()
            _ = task.cancelled() or task.exception()
        self.loop.close()


TestBulkheadMachine = BulkheadMachine.TestCase
TestBulkheadMachine.settings = settings(deadline=None, max_examples=2_000 if os.environ.get("SOAK") else 60)
