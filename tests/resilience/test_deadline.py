"""The answer comes on time, whatever the work does."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from contextvars import ContextVar
from typing import Any

import pytest

from holdfast.core.clock import SystemClock
from holdfast.errors import Busy, DeadlineExceeded
from holdfast.resilience.deadline import Orphans, by
from holdfast.testing.clock import FakeClock

COLOUR: ContextVar[str] = ContextVar("colour", default="none")


async def stubborn(release: asyncio.Event, ending: BaseException | None = None) -> str:
    """Swallow every cancellation until released."""
    while not release.is_set():
        try:
            await release.wait()
        except asyncio.CancelledError:
            continue
    if ending is not None:
        raise ending
    return "too late"


def nobody(task: asyncio.Task[Any]) -> None:
    raise AssertionError("nothing should be abandoned")


async def test_work_that_ends_in_time_returns_its_result_and_leaves_no_timer() -> None:
    clock = FakeClock()

    async def work() -> str:
        await clock.sleep(1)
        return "done"

    task = asyncio.create_task(by(1005, clock, work(), on_orphan=nobody))
    await clock.advance(1)
    assert await task == "done"
    assert clock.sleeping == 0


async def test_work_that_never_suspends_pays_for_no_timer() -> None:
    clock = FakeClock()

    async def work() -> tuple[str, int]:
        return COLOUR.get(), clock.sleeping

    COLOUR.set("blue")
    assert await by(1005, clock, work(), on_orphan=nobody) == ("blue", 0)


async def test_work_that_is_late_is_cancelled_and_may_clean_up() -> None:
    clock, cleaned = FakeClock(), []

    async def work() -> None:
        try:
            await clock.sleep(60)
        finally:
            cleaned.append(clock.now())

    task = asyncio.create_task(by(1005, clock, work(), on_orphan=nobody))
    await clock.advance(5)
    with pytest.raises(DeadlineExceeded):
        await task
    assert cleaned == [1005.0]


async def test_work_that_swallows_cancellation_is_abandoned_after_the_grace() -> None:
    clock, orphans, release = FakeClock(), Orphans(), asyncio.Event()
    task = asyncio.create_task(by(1002, clock, stubborn(release), grace=0.5, on_orphan=orphans.add))
    await clock.advance(2.4)
    assert not task.done()
    await clock.advance(0.1)
    with pytest.raises(DeadlineExceeded):
        await task
    assert orphans.count == 1
    release.set()
    await clock.settle()
    assert orphans.count == 0


async def test_the_naive_timeout_answers_late_and_this_one_on_time() -> None:
    """asyncio.timeout(0.2) over a tool that swallowed CancelledError returned after 3.02 s."""

    async def swallow() -> None:
        ends = time.monotonic() + 1.0
        while (left := ends - time.monotonic()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue

    started = time.monotonic()
    try:
        async with asyncio.timeout(0.05):
            await swallow()
    except TimeoutError:
        pass
    assert time.monotonic() - started >= 0.9

    orphans, clock, started = Orphans(), SystemClock(), time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await by(clock.now() + 0.05, clock, swallow(), grace=0.05, on_orphan=orphans.add)
    assert time.monotonic() - started < 0.8
    assert orphans.count == 1
    assert await orphans.close(5.0) == 0


@pytest.mark.parametrize("timer_first", [True, False])
async def test_a_result_that_is_ready_when_the_deadline_strikes_wins(timer_first: bool) -> None:
    strike = asyncio.Event()
    turns = 0 if timer_first else 1

    class Striking(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await strike.wait()
            for _ in range(turns):
                await asyncio.sleep(0)

    async def work() -> str:
        await strike.wait()
        return "in time"

    clock = Striking()
    task = asyncio.create_task(by(1005, clock, work(), on_orphan=nobody))
    await clock.settle()
    strike.set()
    assert await task == "in time"


async def test_a_deadline_in_the_past_never_starts_the_work() -> None:
    started = []

    async def work() -> None:
        started.append(True)

    with pytest.raises(DeadlineExceeded):
        await by(1000, FakeClock(), work(), on_orphan=nobody)
    gc.collect()  # a coroutine that was never awaited would warn here
    assert started == []


async def test_a_failure_comes_through_as_it_is() -> None:
    async def work() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await by(1005, FakeClock(), work(), on_orphan=nobody)


@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt()])
async def test_work_cannot_end_the_process(ending: BaseException) -> None:
    async def work() -> None:
        raise ending

    with pytest.raises(RuntimeError, match="end the process"):
        await by(1005, FakeClock(), work(), on_orphan=nobody)


async def test_work_that_cancels_itself_does_not_look_like_a_cancelled_caller() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled itself"):
        await by(1005, FakeClock(), work(), on_orphan=nobody)


async def test_cancelling_the_caller_cancels_the_work_and_waits_for_its_clean_up() -> None:
    clock, cleaned = FakeClock(), []

    async def work() -> None:
        try:
            await clock.sleep(60)
        finally:
            await clock.sleep(0.01)
            cleaned.append(True)

    task = asyncio.create_task(by(1090, clock, work(), on_orphan=nobody))
    await clock.settle()
    task.cancel()
    await clock.advance(0.02)
    assert task.cancelled()
    assert cleaned == [True]


async def test_cancelling_the_caller_of_stubborn_work_abandons_it() -> None:
    clock, orphans, release = FakeClock(), Orphans(), asyncio.Event()
    task = asyncio.create_task(by(1090, clock, stubborn(release), on_orphan=orphans.add))
    await clock.settle()
    task.cancel()
    await clock.advance(1)
    assert task.cancelled()
    assert orphans.count == 1
    release.set()
    await clock.settle()


async def test_a_second_cancellation_ends_the_grace_at_once_and_still_hands_over_the_orphan() -> None:
    clock, orphans, release = FakeClock(), Orphans(), asyncio.Event()
    task = asyncio.create_task(by(1001, clock, stubborn(release), grace=30, on_orphan=orphans.add))
    await clock.advance(2)
    task.cancel()
    await clock.settle()
    assert task.cancelled()
    assert orphans.count == 1
    release.set()
    await clock.settle()


async def test_the_failure_of_an_orphan_is_never_reported_as_unretrieved() -> None:
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
    clock, release = FakeClock(), asyncio.Event()
    task = asyncio.create_task(by(1001, clock, stubborn(release, ValueError("late")), on_orphan=lambda task: None))
    await clock.advance(2)
    with pytest.raises(DeadlineExceeded):
        await task
    del task
    release.set()
    await clock.settle()
    gc.collect()
    assert reports == []


async def test_the_bound_on_orphans_is_kept_at_the_door() -> None:
    orphans, release = Orphans(limit=2), asyncio.Event()
    for _ in range(2):
        orphans.check()
        orphans.add(asyncio.create_task(stubborn(release)))
    assert orphans.full
    with pytest.raises(Busy) as refused:
        orphans.check()
    assert refused.value.code == "deadline.orphans"
    await asyncio.sleep(0)
    assert await orphans.close(0.01) == 2
    release.set()
    assert await orphans.close(1.0) == 0
    assert await orphans.close(0) == 0


async def test_a_task_that_already_ended_is_no_orphan() -> None:
    orphans, task = Orphans(), asyncio.create_task(asyncio.sleep(0))
    await task
    orphans.add(task)
    assert orphans.count == 0


@pytest.mark.skipif(sys.gettrace() is not None or "coverage" in sys.modules, reason="tracing multiplies the time")
async def test_work_that_does_not_suspend_costs_little() -> None:
    async def work() -> None:
        return None

    clock, times = SystemClock(), []
    for _ in range(2_000):
        started = time.perf_counter()
        await by(clock.now() + 5, clock, work(), on_orphan=nobody)
        times.append(time.perf_counter() - started)
    assert sorted(times)[1_000] < 100e-6  # measured 7-12 us; the margin is for busy machines
