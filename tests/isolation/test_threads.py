"""Threads are counted, bounded, never waited for, and free again only when their work ended."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import pytest
from support.waiting import until

import holdfast
from holdfast.errors import Busy, Draining
from holdfast.isolation.threads import ThreadPool

COLOUR: ContextVar[str] = ContextVar("colour", default="none")
SOURCES = str(Path(holdfast.__file__).parent.parent)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What stuck functions wait for; opened at the end of the test, so that no thread outlives it."""
    event = threading.Event()
    yield event
    event.set()


async def stick(pool: ThreadPool, gate: threading.Event, count: int) -> None:
    """Leave ``count`` zombies behind."""
    tasks = [asyncio.create_task(pool.run(gate.wait)) for _ in range(count)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def test_work_runs_elsewhere_with_a_copy_of_the_callers_context() -> None:
    pool = ThreadPool(2, name="mine")

    def work() -> tuple[str, str, bool]:
        seen = COLOUR.get()
        COLOUR.set("changed")
        return seen, threading.current_thread().name, threading.current_thread().daemon

    COLOUR.set("blue")
    assert await pool.run(work) == ("blue", "mine-1", True)
    assert COLOUR.get() == "blue"
    assert pool.busy == 0
    assert pool.close(1.0) == 0


async def test_threads_start_when_needed_and_are_used_again() -> None:
    pool = ThreadPool(8)
    assert {await pool.run(threading.get_ident) for _ in range(20)} == {await pool.run(threading.get_ident)}
    barrier = threading.Barrier(8, timeout=5)
    await asyncio.gather(*[pool.run(barrier.wait) for _ in range(8)])
    assert pool.close(1.0) == 0


async def test_failures_come_through_as_they_are() -> None:
    pool = ThreadPool(1)
    with pytest.raises(ValueError, match="invalid literal"):
        await pool.run(lambda: int("x"))
    assert await pool.run(lambda: "fine") == "fine"
    pool.close(1.0)


@pytest.mark.parametrize("ending", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
async def test_a_function_can_end_neither_its_thread_nor_the_loop(ending: BaseException) -> None:
    pool = ThreadPool(1)

    def work() -> None:
        raise ending

    with pytest.raises(RuntimeError, match="end its thread") as raised:
        await pool.run(work)
    assert raised.value.__cause__ is ending
    assert await pool.run(lambda: "fine") == "fine"
    pool.close(1.0)


async def test_stop_iteration_does_not_hang_the_caller() -> None:
    pool = ThreadPool(1)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await pool.run(lambda: next(iter(())))
    pool.close(1.0)


async def test_a_cancelled_caller_returns_at_once_and_its_thread_counts_until_it_ends(gate: threading.Event) -> None:
    pool = ThreadPool(2)
    started = time.monotonic()
    await stick(pool, gate, 1)
    assert time.monotonic() - started < 1.0
    assert (pool.busy, pool.zombies) == (1, 1)
    assert await pool.run(lambda: "others go on") == "others go on"
    gate.set()
    await until(lambda: pool.busy == 0)
    assert pool.zombies == 0
    assert pool.close(1.0) == 0


async def test_a_pool_full_of_stuck_threads_refuses_instead_of_hanging(gate: threading.Event) -> None:
    """Six stuck threads filled a naive pool; 39 hung tools froze a whole server, ping included."""
    pool = ThreadPool(6)
    await stick(pool, gate, 6)
    for _ in range(100):
        with pytest.raises(Busy) as refused:
            await pool.run(lambda: None)
    assert refused.value.code == "isolation.stuck"
    assert refused.value.retry_after == 5.0
    gate.set()
    await until(lambda: pool.zombies == 0)
    assert await pool.run(lambda: "back") == "back"
    pool.close(1.0)


async def test_calls_that_wait_for_stuck_threads_are_refused_too(gate: threading.Event) -> None:
    pool = ThreadPool(1)
    stuck = asyncio.create_task(pool.run(gate.wait))
    waiting = asyncio.create_task(pool.run(lambda: None))
    await asyncio.sleep(0)
    assert pool.queued == 1
    stuck.cancel()
    with pytest.raises(Busy) as refused:
        await waiting
    assert refused.value.code == "isolation.stuck"
    assert pool.queued == 0


async def test_fewer_zombies_than_all_can_be_too_many(gate: threading.Event) -> None:
    pool = ThreadPool(4, max_stuck=2)
    await stick(pool, gate, 2)
    with pytest.raises(Busy) as refused:
        await pool.run(lambda: None)
    assert refused.value.code == "isolation.stuck"


async def test_the_line_is_as_long_as_the_pool_and_no_longer(gate: threading.Event) -> None:
    pool, order = ThreadPool(2), []
    running = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(pool.run(lambda number=number: order.append(number))) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy) as refused:
        await pool.run(lambda: None)
    assert refused.value.code == "busy"
    gate.set()
    await asyncio.gather(*running, *waiting)
    assert sorted(order) == [0, 1]
    assert (pool.busy, pool.queued) == (0, 0)
    pool.close(1.0)


async def test_waiting_calls_run_first_come_first_served(gate: threading.Event) -> None:
    pool, order = ThreadPool(1), []
    running = asyncio.create_task(pool.run(gate.wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(pool.run(lambda: order.append("first")))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(running, waiting)
    await pool.run(lambda: order.append("second"))
    assert order == ["first", "second"]
    pool.close(1.0)


async def test_a_cancelled_waiter_never_runs_and_leaves_nothing_behind(gate: threading.Event) -> None:
    pool, ran = ThreadPool(1), []
    running = asyncio.create_task(pool.run(gate.wait))
    await asyncio.sleep(0)
    for _ in range(1_000):
        waiting = asyncio.create_task(pool.run(lambda: ran.append(True)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert (pool.queued, pool.zombies) == (0, 0)
    gate.set()
    await running
    await pool.run(lambda: None)
    assert ran == []
    pool.close(1.0)


async def test_cancelling_when_the_work_is_done_leaves_no_zombie() -> None:
    pool, done = ThreadPool(1), threading.Event()
    task = asyncio.create_task(pool.run(done.set))
    await asyncio.sleep(0)
    done.wait(5)  # blocks the loop, so that the result is there and not yet delivered
    while pool.busy:
        time.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (pool.busy, pool.zombies) == (0, 0)
    pool.close(1.0)


async def test_closing_counts_what_it_leaves_behind_and_refuses_the_rest(gate: threading.Event) -> None:
    pool = ThreadPool(2)
    await asyncio.gather(pool.run(lambda: time.sleep(0)), pool.run(lambda: time.sleep(0)))
    running = asyncio.create_task(pool.run(gate.wait))
    other = asyncio.create_task(pool.run(gate.wait))
    waiting = asyncio.create_task(pool.run(lambda: None))
    await asyncio.sleep(0)
    assert pool.close(0.05) == 2
    with pytest.raises(Draining):
        await waiting
    with pytest.raises(Draining):
        await pool.run(lambda: None)
    gate.set()
    assert await asyncio.gather(running, other) == [True, True]
    await until(lambda: pool.close(0) == 0)


async def test_when_the_machine_is_out_of_threads_the_caller_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = ThreadPool(1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        with pytest.raises(Busy, match="no worker thread"):
            await pool.run(lambda: None)
    assert pool.busy == 0
    assert await pool.run(lambda: "fine") == "fine"
    pool.close(1.0)


async def test_an_idle_thread_holds_on_to_nothing() -> None:
    class Large:
        pass

    pool = ThreadPool(1)
    result = await pool.run(Large)
    gone = weakref.ref(result)
    del result
    await pool.run(lambda: None)
    gc.collect()
    assert gone() is None
    pool.close(1.0)


def test_a_thread_survives_the_loop_that_it_worked_for() -> None:
    pool, release, started = ThreadPool(1), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        release.wait(5)

    async def leave() -> None:
        task = asyncio.create_task(pool.run(work))
        await asyncio.sleep(0)
        assert started.wait(5)
        task.cancel()

    asyncio.run(leave())
    assert pool.zombies == 1
    release.set()
    assert asyncio.run(_eventually(pool)) == "fine"
    assert pool.close(1.0) == 0


async def _eventually(pool: ThreadPool) -> str:
    await until(lambda: pool.zombies == 0)
    return await pool.run(lambda: "fine")


def test_a_stuck_thread_does_not_hold_up_the_interpreters_exit() -> None:
    script = """
import asyncio, threading
from holdfast.isolation.threads import ThreadPool
async def main():
    pool = ThreadPool(2)
    await pool.run(int)
    try:
        async with asyncio.timeout(0.05):
            await pool.run(threading.Event().wait)
    except TimeoutError:
        print("left", pool.close(0.05))
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "left 1", "")


@pytest.mark.parametrize("workers, stuck", [(0, None), (2, 0), (2, 3)])
def test_a_pool_that_could_not_work_cannot_be_built(workers: int, stuck: int | None) -> None:
    with pytest.raises(ValueError, match="worker"):
        ThreadPool(workers, max_stuck=stuck)


async def test_a_storm_of_calls_and_cancellations_leaves_the_accounts_at_zero() -> None:
    pool = ThreadPool(4)

    async def call(number: int) -> None:
        try:
            async with asyncio.timeout(0.0005 * (number % 5)):
                await pool.run(lambda: time.sleep(0.0004 * (number % 7)))
        except (TimeoutError, Busy):
            pass

    for _ in range(20):
        await asyncio.gather(*[call(number) for number in range(40)])
    await until(lambda: pool.busy == 0)
    assert (pool.zombies, pool.queued) == (0, 0)
    assert pool.close(1.0) == 0


@pytest.mark.skipif(sys.gettrace() is not None or "coverage" in sys.modules, reason="tracing multiplies the time")
async def test_a_call_costs_little() -> None:
    pool, times = ThreadPool(4), []
    for _ in range(1_000):
        started = time.perf_counter()
        await pool.run(int)
        times.append(time.perf_counter() - started)
    assert sorted(times)[500] < 500e-6  # measured 63 us; the margin is for busy machines
    pool.close(1.0)


async def test_a_pool_whose_threads_are_all_stuck_for_good_asks_for_another_process(gate: threading.Event) -> None:
    told: list[str] = []
    pool = ThreadPool(2, retire=told.append, patience=0.02)
    await stick(pool, gate, 1)
    await asyncio.sleep(0.04)
    assert told == [], "one thread is left"
    await stick(pool, gate, 1)
    await until(lambda: bool(told))
    assert told == ["2 of 2 worker threads are stuck for good"]


async def test_a_pool_whose_threads_end_late_asks_for_nothing(gate: threading.Event) -> None:
    told: list[str] = []
    pool = ThreadPool(1, retire=told.append, patience=0.05)
    await stick(pool, gate, 1)
    gate.set()
    await until(lambda: not pool.busy)
    gate.clear()
    await asyncio.sleep(0.08)
    assert told == []


async def test_threads_that_are_stuck_for_good_are_not_waited_for_at_the_end(gate: threading.Event) -> None:
    told: list[str] = []
    pool = ThreadPool(1, retire=told.append, patience=0.0)
    await stick(pool, gate, 1)
    await until(lambda: bool(told))
    began = time.perf_counter()
    assert pool.close(5.0) == 1
    assert time.perf_counter() - began < 4
