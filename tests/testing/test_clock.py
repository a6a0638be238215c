"""The fake clock moves only when told, and wakes sleepers in order."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.testing.clock import FakeClock


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock, woken = FakeClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now()))

    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.create_task(sleeper(seconds))
        await clock.advance(2.5)
        assert woken == [(1.0, 1001.0), (2.0, 1002.0)]
        await clock.advance(0.5)
    assert clock.now() == 1003.0


async def test_a_sleep_begun_within_an_advance_ends_within_it() -> None:
    clock = FakeClock()

    async def twice() -> float:
        await clock.sleep(1)
        await clock.sleep(1)
        return clock.now()

    task = asyncio.create_task(twice())
    await clock.advance(10)
    assert task.done()
    assert task.result() == 1002.0


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1))
    await clock.settle()
    assert clock.sleeping == 1
    task.cancel()
    await clock.advance(5)
    assert task.cancelled()
    assert clock.sleeping == 0


async def test_sleeping_for_nothing_still_lets_others_run() -> None:
    clock = FakeClock()
    await clock.sleep(0)
    assert clock.now() == 1000.0


async def test_both_kinds_of_time_move_together() -> None:
    clock = FakeClock(start=5.0, wall=100.0)
    await clock.advance(2)
    assert (clock.now(), clock.wall()) == (7.0, 102.0)


async def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="forward"):
        await FakeClock().advance(-1)
