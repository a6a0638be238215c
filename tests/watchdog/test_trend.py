"""A leak is a floor that rises in each part of the window; what swings, or grows once, is none."""

from __future__ import annotations

import math
from random import Random

from support.moving import Moving

from holdfast.watchdog.trend import Leak, Trend


def looked(values: list[float], least: float = 100.0) -> list[float]:
    """The readings that a look each second gives over a window of a minute."""
    clock, left = Moving(), list(reversed(values))
    leak = Leak(left.pop, least, Trend(60.0, clock.now))
    found = []
    for _ in values:
        clock.time += 1
        if (reading := leak.look()) is not None:
            found.append(reading.value)
    return found


def test_steady_growth_is_a_leak_however_much_it_swings() -> None:
    random = Random(5)
    found = looked([10 * second + random.uniform(0, 40) for second in range(130)])
    assert found[0] == 0, "before a window is full nothing is said"
    assert max(found) > 4
    assert len(found) == 12


def test_what_swings_or_grows_once_and_stays_is_none() -> None:
    assert max(looked([500 * math.sin(second / 7) for second in range(300)])) == 0
    assert max(looked([1000.0 if second > 50 else 0.0 for second in range(300)])) == 0
    assert max(looked([1e6 / (1 + second) for second in range(300)])) == 0


def test_a_leak_is_told_with_its_speed_and_whom_it_follows() -> None:
    clock = Moving()
    leak = Leak(lambda: clock.time * 10, 100.0, Trend(60.0, clock.now))
    leak.suspect = lambda: "leaky"
    found = []
    for _ in range(90):
        clock.time += 1
        found.append(leak.look())
    said = [reading for reading in found if reading is not None][-1].said
    assert said == {"grown": 500, "an_hour": 36_000, "tool": "leaky"}
