"""The loop's lag is measured, a standing loop is seen with its stack, and an overdue call on it is interrupted."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Any

import pytest
from support.marked import marked

from holdfast.core.clock import SystemClock
from holdfast.isolation.inline import LoopBlocked
from holdfast.watchdog.heartbeat import Block, Heartbeat, Step, Thresholds

QUICK = Thresholds(heartbeat=0.01, lag=0.05, interrupt=0.3)
LADDER = Thresholds(heartbeat=0.01, lag=0.02, dump=0.06, interrupt=60, restart=0.15)


class Seen:
    """What a heartbeat reports."""

    def __init__(self, thresholds: Thresholds = QUICK) -> None:
        self.lags: list[float] = []
        self.blocks: list[Block] = []
        self.told = threading.Event()
        self.steps: list[tuple[Step, Block]] = []
        self.heart = Heartbeat(
            SystemClock(), thresholds, on_lag=self.lags.append, on_block=self._block, on_step=self._step
        )

    def _step(self, step: Step, block: Block) -> None:
        self.steps.append((step, block))

    def _block(self, block: Block) -> None:
        self.blocks.append(block)
        self.told.set()

    async def beats(self, count: int) -> None:
        """Wait for so many more heartbeats."""
        target = len(self.lags) + count
        while len(self.lags) < target:
            await asyncio.sleep(0.005)


def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def test_a_loop_that_runs_is_hardly_late_and_nothing_is_told() -> None:
    seen = Seen(Thresholds(heartbeat=0.01, lag=5.0))
    seen.heart.start()
    await seen.beats(5)
    assert all(lag >= 0 for lag in seen.lags)
    await seen.heart.stop()
    assert seen.blocks == []
    assert seen.heart.interrupts == 0


async def test_a_loop_that_stands_still_is_told_once_with_what_it_was_doing() -> None:
    seen = Seen()
    seen.heart.start()
    await seen.beats(2)
    block_the_loop(0.3)
    await seen.beats(3)
    await seen.heart.stop()
    (block,) = [block for block in seen.blocks if "block_the_loop" in block.stack]
    assert block.seconds >= 0.05
    assert max(seen.lags) >= 0.2
    assert seen.heart.interrupts == 0, "it was no call's code"


async def test_each_block_is_told_anew() -> None:
    seen = Seen()
    seen.heart.start()
    for _ in range(2):
        await seen.beats(4)
        seen.told.clear()
        seen.told.wait(2)  # blocks the loop until the monitor has seen it
    await seen.heart.stop()
    assert len([block for block in seen.blocks if "threading.py" in block.stack]) >= 2


async def call(seconds: float, deadline: float) -> str:
    """A tool that blocks the loop."""

    async def tool(_args: Any, _ctx: Any) -> str:
        block_the_loop(seconds)
        return "slept"

    return str(await marked(deadline, tool))


async def test_a_call_that_blocks_the_loop_past_its_deadline_is_interrupted() -> None:
    seen = Seen()
    seen.heart.start()
    await seen.beats(1)
    begun = time.monotonic()
    with pytest.raises(LoopBlocked):
        await call(10, begun + 0.1)
    assert time.monotonic() - begun < 2
    assert seen.heart.interrupts == 1
    await seen.heart.stop()


async def test_a_call_that_blocks_the_loop_for_too_long_is_interrupted_whatever_its_deadline() -> None:
    seen = Seen()
    seen.heart.start()
    await seen.beats(1)
    begun = time.monotonic()
    with pytest.raises(LoopBlocked):
        await call(10, begun + 600)
    assert 0.25 < time.monotonic() - begun < 3
    await seen.heart.stop()


async def test_a_call_that_blocks_the_loop_within_its_deadline_ends_by_itself() -> None:
    seen = Seen(Thresholds(heartbeat=0.01, lag=0.02, interrupt=10))
    seen.heart.start()
    await seen.beats(1)
    assert await call(0.15, time.monotonic() + 60) == "slept"
    assert seen.heart.interrupts == 0
    await seen.heart.stop()


async def test_when_it_stops_its_thread_its_task_and_its_handler_are_gone() -> None:
    before, threads, tasks = signal.getsignal(signal.SIGUSR2), threading.active_count(), len(asyncio.all_tasks())
    seen = Seen()
    seen.heart.start()
    assert threading.active_count() == threads + 1
    await seen.heart.stop()
    assert (threading.active_count(), len(asyncio.all_tasks())) == (threads, tasks)
    assert signal.getsignal(signal.SIGUSR2) is before


async def test_a_long_block_climbs_the_ladder_once_each_step_and_is_told_when_it_is_over() -> None:
    seen = Seen(LADDER)
    seen.heart.start()
    for _ in range(2):
        await seen.beats(3)
        block_the_loop(0.3)
        await seen.beats(3)
    await seen.heart.stop()
    # a busy machine adds blocks of its own, each with its own steps
    assert " ".join(step for step, _ in seen.steps).count("stuck past free") >= 2
    stuck = next(block for step, block in seen.steps if step == "stuck" and "block_the_loop" in block.stack)
    assert stuck.stack.startswith("thread MainThread:")
    assert "holdfast-heartbeat" in stuck.stack, "all threads"
    assert stuck.seconds >= 0.06
    assert all(block.seconds >= 0.15 for step, block in seen.steps if step == "past")
    assert seen.heart.worst() >= 0.25
    assert seen.heart.worst() == 0.0, "asked for once, it begins anew"


async def test_a_report_that_fails_does_not_end_the_thread_that_interrupts(caplog: pytest.LogCaptureFixture) -> None:
    seen = Seen(Thresholds(heartbeat=0.01, lag=0.02, dump=0.03, interrupt=60))

    def fails(*_: object) -> None:
        raise RuntimeError("full disk")

    seen.heart._on_block = seen.heart._on_step = fails
    seen.heart.start()
    await seen.beats(1)
    with pytest.raises(LoopBlocked):
        await call(10, time.monotonic() + 0.1)
    await seen.beats(2)
    await seen.heart.stop()
    assert "could not be reported" in caplog.text


async def test_one_that_nobody_asks_for_steps_still_beats() -> None:
    heart = Heartbeat(SystemClock(), LADDER, on_lag=lambda _: None, on_block=lambda _: None)
    heart.start()
    await asyncio.sleep(0.03)
    block_the_loop(0.1)
    await asyncio.sleep(0.03)
    assert heart.worst() > 0.05
    await heart.stop()


async def test_one_that_was_never_started_can_be_stopped() -> None:
    await Seen().heart.stop()


def test_on_a_loop_outside_the_main_thread_blocks_are_seen_but_nothing_is_interrupted() -> None:
    seen, outcome = Seen(), []

    async def main() -> None:
        seen.heart.start()
        await seen.beats(1)
        outcome.append(await call(0.5, 0.0))
        await seen.heart.stop()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    assert outcome == ["slept"]
    assert any("block_the_loop" in block.stack for block in seen.blocks)
    assert seen.heart.interrupts == 0


async def test_a_monitor_that_hangs_keeps_the_handler_so_that_its_signal_kills_nobody() -> None:
    before, hang = signal.getsignal(signal.SIGUSR2), threading.Event()
    seen = Seen()

    def hangs(_: Block) -> None:
        seen.told.set()
        hang.wait(10)

    seen.heart._on_block = hangs
    seen.heart.start()
    await seen.beats(1)
    seen.told.wait(5)
    await seen.heart.stop()
    assert callable(signal.getsignal(signal.SIGUSR2))
    hang.set()
    assert seen.heart._thread is not None
    seen.heart._thread.join(5)
    signal.signal(signal.SIGUSR2, before)
