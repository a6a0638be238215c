"""Several counters at once: all or nothing, never below nothing, and only in the period that was meant."""

from __future__ import annotations

import math

import pytest

from holdfast.state.store import Store
from holdfast.testing import FakeClock

A, B = ("space", "a", 2.0, 5.0, 60.0), ("space", "b", 1.0, 1.0, 3_600.0)


async def test_all_are_taken_or_none_and_the_answer_says_which_and_when() -> None:
    clock = FakeClock()
    store = Store(None, clock=clock)
    short, wait, ends = await store.reserve([A, B])
    assert (short, wait, ends) == (-1, 0.0, (clock.wall() + 60, clock.wall() + 3_600))
    await clock.advance(10)
    assert await store.reserve([A, B]) == (1, 3_590.0, ())
    assert await store.get("space", "a") == b"2.0"
    assert (await store.reserve([A]))[0] == -1
    assert await store.reserve([A]) == (0, 50.0, ())
    assert await store.reserve([("space", "new", 7.0, 5.0, 60.0)]) == (0, 60.0, ())
    await store.close()


async def test_settling_never_goes_below_nothing_and_leaves_another_period_alone() -> None:
    clock = FakeClock()
    store = Store(None, clock=clock)
    _, _, (end,) = await store.reserve([A])
    await store.settle([("space", "a", end, -9.0), ("space", "nobody", end, 1.0), ("space", "a", end, math.nan)])
    assert await store.get("space", "a") == b"0.0"
    await clock.advance(61)
    await store.reserve([A])
    await store.settle([("space", "a", end, 3.0)])
    assert await store.get("space", "a") == b"2.0"
    await store.close()


class Wrong(FakeClock):
    """A clock that somebody sets."""

    set_to = 0.0

    def wall(self) -> float:
        """See ``Clock``."""
        return self.set_to


async def test_a_clock_that_was_wrong_for_a_moment_locks_nobody_out_for_years() -> None:
    clock = Wrong()
    store = Store(None, clock=clock)
    clock.set_to = 1e9
    assert (await store.reserve([("space", "a", 5.0, 5.0, 60.0)]))[0] == -1
    clock.set_to = 1_000.0
    assert await store.reserve([A]) == (0, 60.0, ()), "what is spent stays spent, for a period"
    clock.set_to = 950.0
    assert await store.reserve([A]) == (0, 110.0, ()), "put back a little, a clock changes no end"
    clock.set_to = 1_061.0
    assert (await store.reserve([A]))[0] == -1
    await store.close()


@pytest.mark.parametrize(
    "want",
    [("s", "k", -1.0, 5.0, 60.0), ("s", "k", math.nan, 5.0, 60.0), ("s", "k", 1.0, math.inf, 60.0),
     ("s", "k", 1.0, 5.0, 0.0), ("s", "k", math.inf, 5.0, 60.0)],
)  # fmt: skip
async def test_what_no_counter_can_take_is_refused(want: tuple[str, str, float, float, float]) -> None:
    store = Store(None)
    with pytest.raises(ValueError, match="finite numbers"):
        store.reserve([want])
    await store.close()
