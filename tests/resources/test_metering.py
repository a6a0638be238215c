"""A meter counts what the work itself takes: its own steps, its own thread, and nobody else's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from typing import Any

import pytest

from holdfast.resources.metering import Meter


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


async def test_the_steps_of_a_coroutine_count_and_waiting_does_not() -> None:
    meter = Meter()

    async def work() -> str:
        burn(0.02)
        await asyncio.sleep(0.05)
        burn(0.02)
        return "done"

    async def neighbour() -> None:
        while True:
            burn(0.005)
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(neighbour())
    assert await meter.stepped(work()) == "done"
    beside.cancel()
    assert 0.04 <= meter.seconds < 0.06
    assert meter.spent(99.0) == meter.seconds


async def test_exceptions_and_cancellation_reach_the_work_and_come_back_and_count() -> None:
    meter, heard = Meter(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            burn(0.01)
            heard.append("cancelled")
            raise

    async def around() -> None:
        await meter.stepped(work())

    task = asyncio.ensure_future(around())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == ["cancelled"]
    assert meter.seconds >= 0.01

    async def failing() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await meter.stepped(failing())


class Sent:
    """An awaitable that is told something."""

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield "asked")


def test_what_is_sent_arrives_and_what_is_closed_is_closed() -> None:
    steps = Meter().stepped(Sent()).__await__()
    assert next(steps) == "asked"
    with pytest.raises(StopIteration) as end:
        steps.send("told")
    assert end.value.value == "told"
    closed = []

    async def work() -> None:
        try:
            await Sent()
        finally:
            closed.append(True)

    steps = Meter().stepped(work()).__await__()
    next(steps)
    steps.close()
    assert closed == [True]


def test_a_thread_counts_its_own_time_and_until_it_has_ended_the_time_that_passed() -> None:
    meter, go, begun = Meter(), threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        go.wait(10)
        burn(0.01)
        return "done"

    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(meter.timed(work)))
    thread.start()
    begun.wait(10)
    assert meter.spent(5.0) == 5.0
    go.set()
    thread.join()
    assert found == ["done"]
    assert meter.spent(5.0) == meter.seconds < 1
    assert meter.seconds >= 0.01


async def test_the_work_of_a_process_counts_by_the_clock_on_the_wall() -> None:
    meter = Meter()
    assert await meter.wait(asyncio.sleep(0.02, "done")) == "done"
    assert meter.seconds >= 0.019
