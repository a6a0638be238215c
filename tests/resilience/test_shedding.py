"""The lowest priority is refused first, by whoever asks for it and by what the server's own queue tells."""

from __future__ import annotations

import asyncio
import threading

import pytest

from holdfast.core.limits import PRIORITIES
from holdfast.errors import DeadlineExceeded, Overloaded
from holdfast.resilience.bulkhead import Bulkhead
from holdfast.resilience.shedding import SOURCES, Shedding
from holdfast.testing.clock import FakeClock


class Late(FakeClock):
    """Time passes, but no timer ever fires: a loop too busy to notice deadlines."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


def shedding(
    clock: FakeClock, told: list[tuple[int, int]] | None = None, *, queue: int = 2
) -> tuple[Shedding, Bulkhead]:
    total = Bulkhead(1, 50, clock)
    changed = None if told is None else lambda before, after: told.append((before, after))
    return Shedding(total, clock, queue=queue, wait=1.0, on_change=changed), total


def served(shed: Shedding) -> str:
    """The priorities that are let in now."""
    return " ".join(name for rank, name in enumerate(PRIORITIES) if refusal(shed, rank) is None)


def refusal(shed: Shedding, rank: int) -> Overloaded | None:
    """What a caller of this rank is told."""
    try:
        shed.check(rank)
    except Overloaded as refused:
        return refused
    return None


def test_each_level_leaves_one_more_class_for_later_and_the_highest_never() -> None:
    told: list[tuple[int, int]] = []
    shed, total = shedding(FakeClock(), told)
    assert served(shed) == "high normal low"
    for level, names, classes in ((1, "high normal", 2), (2, "high", 1), (0, "high normal low", 3)):
        shed.level = level
        assert (shed.level, served(shed), total.classes) == (level, names, classes)
    shed.level = 0
    assert told == [(0, 1), (1, 2), (2, 0)], "only changes are told"


def test_the_refusal_has_its_code_and_says_when_to_come_back() -> None:
    shed, _ = shedding(FakeClock())
    shed.level = 1
    refused = refusal(shed, 2)
    assert refused is not None
    assert (refused.code, refused.retryable, refused.retry_after) == ("server.overloaded", True, 1.0)


def test_one_reason_to_shed_does_not_undo_another() -> None:
    shed, _ = shedding(FakeClock())
    shed.press("lag", 1)
    shed.press("memory", 2)
    shed.press("lag", 0)
    assert shed.level == 2
    shed.level = 1
    shed.press("memory", 0)
    assert shed.level == 1
    shed.level = 0
    assert shed.level == 0


@pytest.mark.parametrize("level", [-1, 3, 1.5])
def test_another_level_is_an_error(level: int) -> None:
    shed, _ = shedding(FakeClock())
    with pytest.raises(ValueError, match="0 to 2"):
        shed.level = level


def test_reasons_are_bounded() -> None:
    shed, _ = shedding(FakeClock())
    for number in range(SOURCES):
        shed.press(str(number), 1)
    with pytest.raises(ValueError, match="reasons"):
        shed.press("one more", 1)
    shed.press("0", 2)
    assert shed.level == 2


def test_threads_that_press_at_once_leave_nothing_behind() -> None:
    shed, total = shedding(FakeClock())

    def press(name: str) -> None:
        for number in range(300):
            shed.press(name, number % 3)

    threads = [threading.Thread(target=press, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        shed.press(str(number), 0)
    assert (shed.level, total.classes) == (0, 3)


async def test_a_queue_past_its_threshold_refuses_the_lowest_class_only() -> None:
    clock = FakeClock()
    shed, total = shedding(clock)
    await total.enter(None)
    waiting = [asyncio.create_task(total.enter(None)) for _ in range(3)]
    await clock.settle()
    assert served(shed) == "high normal"
    waiting[0].cancel()
    await clock.settle()
    assert served(shed) == "high normal low"
    await clock.advance(1)
    assert served(shed) == "high normal", "somebody has waited for a second"
    for task in waiting:
        task.cancel()
    await clock.settle()
    assert served(shed) == "high normal low"


async def test_those_whose_time_has_passed_are_dropped_before_anybody_is_refused() -> None:
    clock = Late()
    shed, total = shedding(clock)
    await total.enter(None)
    waiting = [asyncio.create_task(total.enter(clock.now() + 0.5)) for _ in range(40)]
    await clock.advance(2)
    assert served(shed) == "high normal low"
    assert total.queued == 0
    for task in waiting:
        with pytest.raises(DeadlineExceeded):
            await task
