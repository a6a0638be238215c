"""Each look at its pace; one that raises, hangs or blocks keeps nobody else from being looked at."""

from __future__ import annotations

import asyncio
import threading

import pytest
from support.telling import Told

from holdfast.testing import FakeClock
from holdfast.watchdog.levels import Levels
from holdfast.watchdog.schedule import Watchdog
from holdfast.watchdog.watch import Hooks, Reading, Watch


class Value:
    """A number that is watched."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value
        self.looks = 0

    def read(self) -> Reading:
        self.looks += 1
        return Reading(self.value, {"what": "it"})


def levels(*bounds: float) -> Levels:
    return Levels(bounds or (1.0,), samples=1)


async def test_each_is_looked_at_at_its_own_pace() -> None:
    clock, often, seldom = FakeClock(), Value(), Value()
    watches = [Watch("often", often.read, levels(), 1.0), Watch("seldom", seldom.read, levels(), 10.0)]
    watchdog = Watchdog(clock, watches, Told().alerts, Hooks(), 1.0)
    watchdog.start()
    await clock.advance(30)
    await watchdog.stop()
    assert (often.looks, seldom.looks) == (30, 3)
    await clock.advance(30)
    assert often.looks == 30


async def test_shedding_is_what_the_one_asks_for_that_asks_for_most_and_ends_with_the_last() -> None:
    told, first, second, sheds = Told(), Value(), Value(), list[int]()
    watches = [
        Watch("first", first.read, levels(1, 2), 1.0, (0, 1, 2)),
        Watch("second", second.read, levels(), 1.0, (0, 1)),
    ]
    watchdog = Watchdog(FakeClock(), watches, told.alerts, Hooks(shed=sheds.append), 0.0)
    for watch in watches:
        watch.every = 0.0
    for first.value, second.value in [(0, 1), (1, 1), (2, 1), (0, 1), (0, 1), (0, 0), (0, 0)]:
        await watchdog.round()
    assert sheds == [1, 2, 1, 0]
    assert watchdog.shedding == 0
    assert told.actions()[1]["reason"] == "first is 2, the limit 2"


async def test_with_nobody_who_could_shed_nothing_is_said_to_be_done() -> None:
    told = Told()
    watchdog = Watchdog(FakeClock(), [Watch("it", Value(5).read, levels(), 1.0, (0, 1))], told.alerts, Hooks(), 1.0)
    await watchdog.round()
    assert told.actions() == []
    assert told.lines[0][2] == {"probe": "it", "stage": 1, "value": 5, "limit": 1.0, "what": "it"}


async def test_one_that_cannot_be_looked_at_is_told_once_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Reading:
        raise OSError("/secret/path")

    good = Value()
    watches = [Watch("broken", broken, levels(), 0.0), Watch("good", good.read, levels(), 0.0)]
    watchdog = Watchdog(FakeClock(), watches, Told().alerts, Hooks(), 1.0)
    for _ in range(3):
        await watchdog.round()
    assert good.looks == 3
    assert caplog.text.count("cannot look at broken: OSError") == 1
    assert "/secret" not in caplog.text


async def test_a_look_that_has_nothing_to_say_changes_nothing() -> None:
    watchdog = Watchdog(FakeClock(), [Watch("it", lambda: None, levels(), 0.0)], Told().alerts, Hooks(), 1.0)
    await watchdog.round()


async def test_one_that_blocks_its_thread_is_not_begun_again_and_stops_nobody() -> None:
    release, begun, good = threading.Event(), list[int](), Value()

    def hangs() -> Reading:
        begun.append(1)
        release.wait(10)
        return Reading(0.0)

    watches = [Watch("hangs", hangs, levels(), 0.0, threaded=True), Watch("good", good.read, levels(), 0.0)]
    watchdog = Watchdog(FakeClock(), watches, Told().alerts, Hooks(), 1.0)
    for _ in range(3):
        await watchdog.round()
        await asyncio.sleep(0.01)
    assert (len(begun), good.looks) == (1, 3)
    release.set()
    while watchdog._away:
        await asyncio.sleep(0.001)
    await watchdog.round()
    await watchdog.stop()
    await Watchdog(FakeClock(), [], Told().alerts, Hooks(), 1.0).stop()
