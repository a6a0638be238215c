"""Limits that learn follow the latency and the failures there are, within their bounds, and find their way back."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.resilience.adaptive import ENOUGH, INTERVAL, LEAST_SHARE, WINDOW_CALLS, Gradient, Share


class Backend:
    """Serves ``places`` calls at once in 0.1 s each; more only wait in it. All callers come again at once."""

    def __init__(self, limit: Gradient, callers: int, places: int = 50, seed: int = 1) -> None:
        self.limit = limit
        self.callers = callers
        self.places = places
        self.random = random.Random(seed)
        self.now = 1000.0

    def windows(self, count: int) -> Backend:
        for _ in range(count):
            running = min(self.callers, self.limit.limit)
            took = 0.1 * max(1.0, running / self.places)
            for _ in range(WINDOW_CALLS):
                self.limit.sample(took * self.random.uniform(0.9, 1.1), running, self.now)
                self.now += 0.12
        return self


def test_it_begins_at_the_bottom_and_stays_while_fewer_than_half_of_it_run() -> None:
    """The naive limit grows while nobody calls, and is no limit when they come."""
    limit = Gradient(20, 200)
    Backend(limit, callers=9).windows(500)
    assert limit.limit == 20


def test_it_grows_while_calls_stay_quick_and_never_past_the_top() -> None:
    limit = Gradient(20, 200)
    backend = Backend(limit, callers=500, places=1_000)
    assert backend.windows(60).limit.limit > 60
    assert backend.windows(1_000).limit.limit == 200


@pytest.mark.parametrize("seed", range(3))
def test_it_settles_above_what_the_backend_can_do_and_half_an_hour_of_overload_does_not_become_usual(seed: int) -> None:
    """Gradient2 as it is published is at 200 by then."""
    limit = Gradient(20, 200)
    backend = Backend(limit, callers=500, seed=seed)
    found = [backend.windows(100).limit.limit for _ in range(15)]
    assert 50 <= min(found) <= max(found) <= 110
    assert limit.usual == pytest.approx(0.1, rel=0.4)
    backend.callers = 5
    backend.windows(1_000)
    assert limit.usual == pytest.approx(0.1, rel=0.05)


def test_it_falls_when_the_backend_gets_slower_and_comes_back_with_it() -> None:
    limit = Gradient(20, 200)
    backend = Backend(limit, callers=500, places=150)
    before = backend.windows(400).limit.limit
    backend.places = 5
    assert backend.windows(60).limit.limit == 20 < before
    backend.places = 150
    assert backend.windows(600).limit.limit > 100


def test_a_backend_that_is_slower_for_good_is_not_held_at_the_bottom_for_ever() -> None:
    limit = Gradient(20, 200)
    for seconds, windows in ((0.1, 50), (1.0, 8_000)):
        for number in range(windows * WINDOW_CALLS):
            limit.sample(seconds, limit.limit, number * 0.12)
    assert limit.limit == 200


def test_a_window_is_ten_calls_and_a_second_at_least() -> None:
    quick, slow = Gradient(20, 200), Gradient(20, 200)
    for number in range(1_000):
        quick.sample(0.001, 20, number * 0.0009)
    assert quick.limit == 20
    for number in range(WINDOW_CALLS - 1):
        slow.sample(5.0, 20, number * 5.0)
    assert slow._windows == 0
    slow.sample(5.0, 20, 50.0)
    assert slow._windows == 1


def test_calls_that_take_no_time_are_quick_calls() -> None:
    limit = Gradient(1, 4)
    for number in range(500):
        limit.sample(0.0, 4, float(number))
    assert limit.limit == 4


@pytest.mark.parametrize("low, high", [(0, 5), (6, 5)])
def test_bounds_that_bound_nothing_are_an_error(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="adaptive"):
        Gradient(low, high)


@settings(deadline=None, max_examples=30)
@given(samples=st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 500), st.floats(0, 100)), min_size=30, max_size=60))
def test_whatever_is_measured_the_limit_stays_within_its_bounds(samples: list[tuple[float, int, float]]) -> None:
    limit, now = Gradient(3, 9), 0.0
    for seconds, running, pause in samples:
        now += pause
        assert 3 <= limit.sample(seconds, running, now) <= 9


def calls(share: Share, now: float, good: int, bad: int) -> float:
    """So many calls end at ``now``; the share an interval later."""
    for number in range(good + bad):
        share.settle(number < bad, now)
    return share.at(now + INTERVAL)


def test_a_share_halves_while_calls_fail_and_comes_back_in_tenths() -> None:
    share, now, seen = Share(1000.0), 1000.0, []
    for bad in (0, 10, 10, 10, 10, 10, 0, 0, 0):
        seen.append(calls(share, now, 10 if not bad else 0, bad))
        now += INTERVAL
    assert seen == pytest.approx([1.0, 0.5, 0.25, 0.125, LEAST_SHARE, LEAST_SHARE, 0.2, 0.3, 0.4])
    for _ in range(9):
        now += INTERVAL
        share.at(now)
    assert share.at(now) == 1.0


def test_one_call_in_ten_may_fail_and_more_is_failing() -> None:
    assert calls(Share(0.0), 0.0, 90, 10) == 1.0
    assert calls(Share(0.0), 0.0, 89, 11) == 0.5


def test_a_few_failures_lower_nothing_but_add_up() -> None:
    share, now = Share(0.0), 0.0
    for _ in range(ENOUGH - 1):
        assert calls(share, now, 0, 1) == 1.0
        now += INTERVAL
    assert calls(share, now, 0, 1) == 0.5


@pytest.mark.parametrize("now", [-1e9, -6.0, 99.0, 1e9])
def test_a_clock_that_jumps_takes_no_share_out_of_its_bounds(now: float) -> None:
    share = Share(100.0)
    for _ in range(20):
        share.settle(True, 100.0)
    for step in range(10):
        assert LEAST_SHARE <= share.at(now + step) <= 1
        share.settle(True, now + step)
    assert LEAST_SHARE <= share.at(now + 1e6) <= 1
    limit = Gradient(20, 200)
    for step in range(50):
        assert 20 <= limit.sample(0.1, 20, now if step % 2 else 100.0) <= 200
        assert limit.usual >= 0


def test_a_tool_that_nobody_calls_is_forgiven() -> None:
    share = Share(0.0)
    calls(share, 0.0, 0, 20)
    calls(share, INTERVAL, 0, 3)
    assert share.at(2 * INTERVAL) == 0.5, "three more failures neither lower nor raise it"
    assert share.at(2 * INTERVAL + 0.9 * INTERVAL) == 0.5
    assert share.at(4 * INTERVAL) == pytest.approx(0.6)
    assert share.at(400 * INTERVAL) == 1.0
    assert calls(share, 400 * INTERVAL, 9, 1) == 1.0, "what was counted long ago is forgotten"


@settings(deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), st.floats(0, 20)), max_size=300))
def test_whatever_happens_a_share_is_a_tenth_to_one_and_ends_at_one(steps: list[tuple[bool, float]]) -> None:
    share, now = Share(0.0), 0.0
    for failed, pause in steps:
        now += pause
        share.settle(failed, now)
        assert LEAST_SHARE <= share.at(now) <= 1.0
    assert share.at(now + 12 * INTERVAL) == 1.0
