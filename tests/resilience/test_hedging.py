"""A second attempt beside a slow one: the first answer wins, the other is ended, and there are few of them."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.errors import Busy, ToolError
from holdfast.resilience.deadline import Orphans
from holdfast.resilience.hedging import LEAST, WINDOW, After, Hedging, Latencies
from holdfast.testing import FakeClock


class Rig:
    """Attempts that take as long as they are told, and what became of them."""

    def __init__(self, after: After = 1.0, spare: Callable[[], bool] = lambda: True) -> None:
        self.clock = FakeClock()
        self.owner = Orphans()
        self.hedging = Hedging(after, self.clock, self.owner.add, spare)
        self.cancelled: list[str] = []

    def attempt(self, name: str, seconds: float, failure: BaseException | None = None) -> Any:
        async def run() -> str:
            try:
                await self.clock.sleep(seconds)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            if failure is not None:
                raise failure
            return name

        return run

    async def run(self, first: Any, again: Any, seconds: float = 100) -> tuple[str, bool]:
        call = asyncio.ensure_future(self.hedging.run(first, again))
        await self.clock.advance(seconds)
        return await call


async def test_a_quick_answer_needs_no_second_attempt() -> None:
    rig = Rig()
    assert await rig.run(rig.attempt("first", 0.9), rig.attempt("second", 0)) == ("first", False)
    assert (rig.hedging.sent, rig.clock.sleeping) == (0, 0)


async def test_the_second_attempt_wins_when_it_answers_first_and_the_other_is_ended() -> None:
    rig = Rig()
    assert await rig.run(rig.attempt("first", 50), rig.attempt("second", 0.5)) == ("second", True)
    assert (rig.cancelled, rig.owner.count, rig.hedging.sent, rig.hedging.won) == (["first"], 0, 1, 1)
    assert rig.clock.now() == 1100


async def test_the_first_attempt_may_still_win() -> None:
    rig = Rig()
    assert await rig.run(rig.attempt("first", 1.5), rig.attempt("second", 9)) == ("first", False)
    assert (rig.cancelled, rig.hedging.sent, rig.hedging.won) == (["second"], 1, 0)


async def test_a_failure_leaves_it_to_the_other_attempt() -> None:
    rig = Rig()
    assert await rig.run(rig.attempt("first", 2, ConnectionError()), rig.attempt("second", 5)) == ("second", True)
    rig = Rig()
    assert await rig.run(rig.attempt("first", 5), rig.attempt("second", 0, Busy("full"))) == ("first", False)
    rig = Rig()
    with pytest.raises(LookupError):
        await rig.run(rig.attempt("first", 5, LookupError()), rig.attempt("second", 1, Busy("full")))


async def test_a_failure_before_the_second_attempt_is_the_calls() -> None:
    rig = Rig()
    with pytest.raises(ConnectionError):
        await rig.run(rig.attempt("first", 0.5, ConnectionError()), rig.attempt("second", 0))
    assert rig.hedging.sent == 0


async def test_what_is_meant_for_the_caller_is_an_answer() -> None:
    rig = Rig()
    with pytest.raises(ToolError):
        await rig.run(rig.attempt("first", 50), rig.attempt("second", 1, ToolError("no such town")))
    assert rig.cancelled == ["first"]


async def test_an_attempt_that_ends_itself_ends_nothing_else() -> None:
    for odd in (asyncio.CancelledError(), SystemExit(3)):
        rig = Rig()
        assert await rig.run(rig.attempt("first", 2, odd), rig.attempt("second", 5)) == ("second", True)
        rig = Rig()
        with pytest.raises(RuntimeError):
            await rig.run(rig.attempt("first", 0.5, odd), rig.attempt("second", 5))


async def test_second_attempts_are_one_in_twenty_whatever_happens() -> None:
    rig = Rig()
    for _ in range(100):
        await rig.run(rig.attempt("first", 2), rig.attempt("second", 9), 3)
    assert rig.hedging.sent == 5
    for _ in range(1_000):
        await rig.hedging.run(rig.attempt("first", 0), rig.attempt("second", 0))
    for _ in range(50):
        await rig.run(rig.attempt("first", 2), rig.attempt("second", 9), 3)
    assert rig.hedging.sent <= 5 + 5 + 3, "what is saved up is bounded"


async def test_none_is_made_while_there_is_no_room_to_spare() -> None:
    rig = Rig(spare=lambda: False)
    assert await rig.run(rig.attempt("first", 9), rig.attempt("second", 0)) == ("first", False)
    assert rig.hedging.sent == 0


async def test_by_the_percentile_it_waits_until_it_knows_the_usual_time() -> None:
    rig = Rig("p95")
    assert await rig.run(rig.attempt("first", 60), rig.attempt("second", 0)) == ("first", False)
    for _ in range(LEAST):
        await rig.run(rig.attempt("first", 0.1), rig.attempt("second", 0), 1)
    began = rig.clock.now()
    call = asyncio.ensure_future(rig.hedging.run(rig.attempt("first", 60), rig.attempt("second", 0)))
    await rig.clock.advance(0.09)
    assert not call.done()
    await rig.clock.advance(0.02)
    assert await call == ("second", True)
    assert rig.clock.now() - began < 1
    with pytest.raises(ConnectionError):
        await rig.run(rig.attempt("first", 0, ConnectionError()), rig.attempt("second", 0))


def test_the_percentile_is_that_of_the_latest_calls() -> None:
    latencies = Latencies()
    for number in range(LEAST - 1):
        latencies.add(float(number))
    assert latencies.p95() is None
    latencies.add(19.0)
    assert latencies.p95() == 19.0
    for number in range(WINDOW):
        latencies.add(float(number % 100))
    assert len(latencies._sorted) == len(latencies._latest) == WINDOW
    assert latencies._sorted == sorted(latencies._latest)
    assert latencies.p95() == latencies._sorted[121]


async def test_whoever_leaves_takes_both_attempts_along_and_hears_of_their_end() -> None:
    rig, release = Rig(), asyncio.Event()

    async def stubborn() -> str:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        return "late"

    call = asyncio.ensure_future(rig.hedging.run(rig.attempt("first", 50), stubborn))
    await rig.clock.advance(2)
    call.cancel()
    await rig.clock.settle()
    assert rig.cancelled == ["first"]
    assert not call.done(), "the second one has not ended"
    call.cancel()
    await rig.clock.settle()
    assert call.cancelled()
    assert rig.owner.count == 1, "somebody still knows of it"
    release.set()
    await rig.clock.settle()
    assert rig.owner.count == 0


async def test_one_that_was_outrun_and_fails_is_not_complained_of() -> None:
    rig, reports = Rig(), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))

    async def sore() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError

    assert await rig.run(sore, rig.attempt("second", 0)) == ("second", True)
    gc.collect()
    assert reports == []


class HedgingMachine(RuleBasedStateMachine):
    """Calls begin, attempts end well or badly, time passes and callers leave at every turn; nothing stays behind."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.rig = Rig()
        self.running = 0
        self.asked = 0
        self.attempts: list[asyncio.Future[str]] = []
        self.calls: list[asyncio.Task[Any]] = []
        self.unwanted: set[asyncio.Task[Any]] = set()

    def step(self, turns: int) -> None:
        async def run() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    @rule(turns=st.integers(0, 4))
    def ask(self, turns: int) -> None:
        async def attempt() -> str:
            self.running += 1
            answer: asyncio.Future[str] = self.loop.create_future()
            self.attempts.append(answer)
            try:
                return await answer
            finally:
                self.running -= 1

        work: Callable[[], Coroutine[Any, Any, str]] = attempt
        self.asked += 1
        self.calls.append(self.loop.create_task(self.rig.hedging.run(work, work)))
        self.step(turns)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), turns=st.integers(0, 4))
    def leave(self, data: Any, turns: int) -> None:
        call = data.draw(st.sampled_from(self.calls))
        self.unwanted.add(call)
        self.loop.call_soon(call.cancel)
        self.step(turns)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), fails=st.booleans(), turns=st.integers(0, 4))
    def answer(self, data: Any, fails: bool, turns: int) -> None:
        answer = self.attempts.pop(data.draw(st.integers(0, len(self.attempts) - 1)))
        if not answer.done():
            answer.set_exception(LookupError()) if fails else answer.set_result("good")
        self.step(turns)

    @rule(seconds=st.sampled_from([0.5, 1, 2]))
    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(self.rig.clock.advance(seconds))

    @invariant()
    def attempts_are_few_and_nobody_fails_for_another(self) -> None:
        assert self.rig.hedging.sent <= 1 + self.asked / 20
        waiting = [call for call in self.calls if not call.done()]
        assert self.running <= 2 * len(waiting) + self.rig.owner.count
        for call in self.calls:
            if call.done() and call not in self.unwanted:
                assert not call.cancelled()
                assert isinstance(call.exception(), LookupError | None)
        self.calls = waiting

    def teardown(self) -> None:
        for call in self.calls:
            self.loop.call_soon(call.cancel)
        self.step(60)
        assert all(call.done() for call in self.calls)
        assert (self.running, self.rig.owner.count, self.rig.clock.sleeping) == (0, 0, 0)
        for call in self.calls:
            _ = call.cancelled() or call.exception()
        self.loop.close()


TestHedgingMachine = HedgingMachine.TestCase
TestHedgingMachine.settings = settings(
    deadline=None, max_examples=1_000 if os.environ.get("SOAK") else 40, stateful_step_count=30
)
