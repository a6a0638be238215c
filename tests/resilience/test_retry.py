"""Only passing faults are tried again, a few times, within the budget and the deadline."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.errors import BreakerOpen, Busy, DeadlineExceeded, RateLimited, ToolError, UnsafePath
from holdfast.resilience.retry import RetryBudget, delays, is_transient, run
from holdfast.testing.clock import FakeClock


class Flaky:
    """Fails with each of ``failures`` in turn, then returns."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = deque(failures)
        self.numbers: list[int] = []

    async def __call__(self, number: int) -> str:
        self.numbers.append(number)
        if self.failures:
            raise self.failures.popleft()
        return "done"


async def retried(
    flaky: Flaky,
    clock: FakeClock,
    *,
    attempts: int = 3,
    budget: RetryBudget | None = None,
    deadline: float | None = None,
) -> str:
    task = asyncio.create_task(
        run(
            flaky,
            attempts=attempts,
            budget=budget or RetryBudget(),
            clock=clock,
            deadline=deadline,
            rng=random.Random(3),
        )
    )
    await clock.advance(60)
    return await task


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        OSError(errno.EAGAIN, "again"),
        OSError(errno.EINTR, "interrupted"),
        OSError(errno.ENETUNREACH, "no route"),
        OSError(errno.ETIMEDOUT, "timed out"),
        socket.gaierror(socket.EAI_AGAIN, "name server busy"),
        ToolError("try later", retryable=True),
        ExceptionGroup("both", [ConnectionError(), TimeoutError()]),
    ],
)
def test_faults_of_operation_are_transient(failure: BaseException) -> None:
    assert is_transient(failure)


@pytest.mark.parametrize(
    "failure",
    [
        TypeError(),
        KeyError(),
        ValueError(),
        AssertionError(),
        FileNotFoundError(errno.ENOENT, "gone"),
        PermissionError(errno.EACCES, "no"),
        OSError(errno.ENOSPC, "full"),
        socket.gaierror(socket.EAI_NONAME, "no such name"),
        ToolError("no"),
        Busy("b"),
        RateLimited("r"),
        BreakerOpen("o"),
        DeadlineExceeded("d"),
        UnsafePath("p"),
        ExceptionGroup("mixed", [ConnectionError(), TypeError()]),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        MemoryError(),
    ],
)
def test_refusals_and_errors_of_programming_are_not(failure: BaseException) -> None:
    assert not is_transient(failure)


async def test_success_costs_one_attempt() -> None:
    flaky = Flaky()
    assert await retried(flaky, FakeClock()) == "done"
    assert flaky.numbers == [1]


async def test_a_passing_fault_is_tried_again() -> None:
    flaky = Flaky(ConnectionError(), TimeoutError())
    assert await retried(flaky, FakeClock()) == "done"
    assert flaky.numbers == [1, 2, 3]


async def test_the_last_failure_is_raised_as_it_is() -> None:
    last = TimeoutError("third")
    flaky = Flaky(ConnectionError(), ConnectionError(), last)
    with pytest.raises(TimeoutError) as raised:
        await retried(flaky, FakeClock())
    assert raised.value is last


@pytest.mark.parametrize("failure", [ValueError("bug"), Busy("full")])
async def test_other_failures_are_raised_at_once(failure: Exception) -> None:
    flaky = Flaky(failure)
    with pytest.raises(type(failure)):
        await retried(flaky, FakeClock())
    assert flaky.numbers == [1]


async def test_one_attempt_means_no_retry() -> None:
    flaky = Flaky(ConnectionError())
    with pytest.raises(ConnectionError):
        await retried(flaky, FakeClock(), attempts=1)
    assert flaky.numbers == [1]


async def test_when_the_budget_is_spent_the_failure_is_raised_at_once() -> None:
    budget, failure = RetryBudget(minimum=1), ToolError("later", retryable=True, retry_after=1.0)
    flaky = Flaky(*[failure] * 9)
    with pytest.raises(ToolError):
        await retried(flaky, FakeClock(), attempts=5, budget=budget)
    assert flaky.numbers == [1, 2]


async def test_no_pause_ends_after_the_deadline() -> None:
    clock = FakeClock()
    flaky = Flaky(*[ToolError("later", retryable=True, retry_after=1.0)] * 9)
    with pytest.raises(ToolError):
        await retried(flaky, clock, attempts=10, budget=RetryBudget(minimum=100), deadline=clock.now() + 3.5)
    assert flaky.numbers == [1, 2, 3, 4]


async def test_a_tool_that_says_when_is_not_tried_sooner() -> None:
    clock, times = FakeClock(), []

    async def attempt(number: int) -> None:
        times.append(clock.now())
        raise ToolError("later", retryable=True, retry_after=7.0)

    task = asyncio.create_task(
        run(attempt, attempts=3, budget=RetryBudget(), clock=clock, deadline=None, rng=random.Random(1))
    )
    await clock.advance(60)
    with pytest.raises(ToolError):
        await task
    assert times == [1000.0, 1007.0, 1014.0]


async def test_cancelling_during_a_pause_ends_it() -> None:
    clock, flaky = FakeClock(), Flaky(ToolError("later", retryable=True, retry_after=7.0))
    task = asyncio.create_task(
        run(flaky, attempts=3, budget=RetryBudget(), clock=clock, deadline=None, rng=random.Random(1))
    )
    await clock.advance(1)
    task.cancel()
    await clock.settle()
    assert task.cancelled()
    assert clock.sleeping == 0


@given(attempts=st.integers(1, 100), seed=st.integers())
def test_pauses_are_full_jitter_under_a_doubling_cap(attempts: int, seed: int) -> None:
    pauses = list(delays(attempts, 0.1, 2.0, rng=random.Random(seed)))
    assert len(pauses) == attempts - 1
    assert all(0 <= pause <= min(2.0, 0.1 * 2**number) for number, pause in enumerate(pauses))


def test_callers_that_failed_together_do_not_come_back_together() -> None:
    firsts = sorted(next(delays(rng=random.Random(seed))) for seed in range(50))
    assert all(later > earlier for earlier, later in pairwise(firsts))


def test_retries_stay_within_a_fifth_of_the_calls() -> None:
    budget = RetryBudget()
    for _ in range(100):
        budget.call(1000.0)
    assert [budget.take(1000.0) for _ in range(50)].count(True) == 20


def test_a_few_retries_are_allowed_however_quiet_it_is() -> None:
    budget = RetryBudget()
    budget.call(1000.0)
    assert [budget.take(1000.0) for _ in range(5)] == [True, True, True, False, False]


def test_the_budget_refills_as_time_passes_and_keeps_a_bounded_memory() -> None:
    budget = RetryBudget(window=10.0)
    for second in range(1_000):
        budget.call(1000.0 + second)
        budget.take(1000.0 + second)
        assert len(budget._slices) <= 10
    assert not budget.take(1999.0)
    assert budget.take(2010.0)


@pytest.mark.parametrize("wrong", [(-0.1, 3, 10), (0.2, -1, 10), (0.2, 3, 0)])
def test_a_budget_that_means_nothing_cannot_be_built(wrong: tuple[float, int, float]) -> None:
    with pytest.raises(ValueError, match="budget"):
        RetryBudget(*wrong)


def goodput_after_an_outage(budget: RetryBudget | None) -> tuple[float, float]:
    """The share of calls answered in time, and attempts per call, in the 15 s that begin 15 s after a 5 s outage.

    A server of 100 calls/s with a first-in-first-out queue gets 60 calls/s; callers give up on an attempt after 1 s
    and make up to four. What they gave up on is still served: that is what makes the overload feed itself.
    """
    step, queue, good, attempts_made, calls = 0.01, deque[tuple[float, int]](), 0, 0, 0
    waiting: deque[tuple[float, int, int]] = deque()  # (gives up at, call, attempt)
    answered: set[int] = set()
    started: dict[int, float] = {}
    number = 0
    for tick in range(6_000):
        now = tick * step
        measured = 30 <= now < 45
        if tick % 5 < 3:  # 60 a second
            number += 1
            started[number] = now
            queue.append((now, number))
            waiting.append((now + 1.0, number, 1))
            calls += measured
            attempts_made += measured
            if budget is not None:
                budget.call(now)
        while waiting and waiting[0][0] <= now:
            _, call, attempt = waiting.popleft()
            if call not in answered and attempt < 4 and (budget is None or budget.take(now)):
                queue.append((now, call))
                waiting.append((now + 1.0, call, attempt + 1))
                attempts_made += measured
        if queue and not 10 <= now < 15:
            sent, call = queue.popleft()
            if now - sent < 1.0 and call not in answered:
                answered.add(call)
                good += 30 <= started[call] < 45
    return good / calls, attempts_made / calls


def test_without_a_budget_an_outage_never_ends_and_with_one_it_does() -> None:
    """Measured: a 5 s outage, 4 attempts, 0 % goodput for ever; with a 20 % budget recovered."""
    good, _ = goodput_after_an_outage(None)
    assert good < 0.05
    good, attempts = goodput_after_an_outage(RetryBudget())
    assert good >= 0.95
    assert attempts <= 1.2


class BudgetMachine(RuleBasedStateMachine):
    """Beside a model that keeps every moment: retries are a fifth of the calls of ten seconds, or three."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.subject = RetryBudget()
        self.calls: list[int] = []
        self.retries: list[int] = []

    def recent(self, moments: list[int]) -> int:
        """Those of this tenth of the window and the nine before it."""
        return sum(moment > int(self.now) - 10 for moment in moments)

    @rule(count=st.integers(1, 40))
    def call(self, count: int) -> None:
        for _ in range(count):
            self.subject.call(self.now)
        self.calls += [int(self.now)] * count

    @rule(count=st.integers(1, 20))
    def retry(self, count: int) -> None:
        for _ in range(count):
            allowed = self.recent(self.retries) < max(3, int(0.2 * self.recent(self.calls)))
            assert self.subject.take(self.now) is allowed
            if allowed:
                self.retries.append(int(self.now))

    @rule(seconds=st.sampled_from([0.3, 1.0, 4.5, 9.0, 10.0, 1e6]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def it_remembers_no_more_than_its_window(self) -> None:
        assert len(self.subject._slices) <= 10


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(deadline=None, max_examples=2_000 if os.environ.get("SOAK") else 60)


@given(
    failures=st.lists(st.booleans(), min_size=1, max_size=4),
    turns=st.integers(0, 12),
    pause=st.sampled_from([0.0, 0.05, 0.4, 3.0]),
)
@settings(deadline=None, max_examples=500 if os.environ.get("SOAK") else 60)
def test_a_caller_who_leaves_at_any_moment_ends_the_attempts(failures: list[bool], turns: int, pause: float) -> None:
    asyncio.run(_left_at(failures, turns, pause))


async def _left_at(failures: list[bool], turns: int, pause: float) -> None:
    clock, budget, running = FakeClock(), RetryBudget(minimum=10), []

    async def attempt(number: int) -> str:
        running.append(number)
        try:
            await clock.sleep(0.1)
            if number <= len(failures) and failures[number - 1]:
                raise ConnectionError
            return "done"
        finally:
            running.pop()

    task = asyncio.create_task(
        run(attempt, attempts=4, budget=budget, clock=clock, deadline=clock.now() + 20, rng=random.Random(turns))
    )
    await clock.advance(pause)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    await clock.advance(60)
    assert running == [], "no attempt goes on, and none begins"
    calls, retries = (
        (sum(column) for column in zip(*budget._slices.values(), strict=True)) if budget._slices else (0, 0)
    )
    assert retries <= 3 * calls <= 3
