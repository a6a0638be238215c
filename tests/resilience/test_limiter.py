"""Rates are kept in every window, per key, within bounded memory, and nobody waits."""

from __future__ import annotations

import inspect
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.resilience.limiter import GRAINS, KeyedLimiter


class Hand:
    """A clock whose hand the test moves; nothing here sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    wall = now

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a limiter never waits")


def test_the_first_second_of_a_hundred_a_second_admits_a_hundred() -> None:
    """A leaky bucket (aiolimiter) admits 200: the full bucket, and what leaks meanwhile."""
    clock = Hand()
    limiter = KeyedLimiter(100, 1, clock)
    admitted = 0
    for _ in range(1_000):
        admitted += limiter.take("caller") is None
        clock.time += 0.000999
    assert admitted == 100


def test_a_refusal_is_immediate_and_leaves_nothing_behind() -> None:
    """aiolimiter only waits, and 20,000 cancelled waiters stayed in its heap."""
    limiter = KeyedLimiter(1, 60, Hand())
    assert not inspect.iscoroutinefunction(limiter.take)
    assert limiter.take("caller") is None
    assert {limiter.take("caller") for _ in range(20_000)} == {60.0}
    assert len(limiter._windows["caller"]) == 2


def test_five_of_fifty_are_admitted_at_once() -> None:
    limiter = KeyedLimiter(5, 60, Hand())
    assert [limiter.take("caller") for _ in range(50)].count(None) == 5


def test_coming_back_when_told_is_admitted_and_sooner_is_not() -> None:
    clock = Hand()
    limiter = KeyedLimiter(10, 60, clock)
    for _ in range(10):
        assert limiter.take("caller") is None
        clock.time += 1.5
    wait = limiter.take("caller", 3)
    assert wait == 60 - 15 + 3
    clock.time += wait - 0.001
    assert limiter.take("caller", 3) is not None
    clock.time += 0.001
    assert limiter.take("caller", 3) is None


def test_callers_do_not_share_their_rate() -> None:
    limiter = KeyedLimiter(1, 60, Hand())
    assert limiter.take("one") is None
    assert limiter.take("two") is None
    assert limiter.take("one") is not None


def test_one_key_costs_little_even_at_high_rates() -> None:
    clock = Hand()
    limiter = KeyedLimiter(100_000, 60, clock)
    for _ in range(50_000):
        assert limiter.take("caller") is None
        clock.time += 0.001
    assert len(limiter._windows["caller"]) <= 2 * (GRAINS + 1)


def test_calls_that_share_an_entry_are_held_until_the_last_of_them_is_a_period_old() -> None:
    clock = Hand()
    limiter = KeyedLimiter(100, 10, clock)  # entries are 0.156 s wide, and one begins at 1000.0
    assert limiter.take("caller", 1) is None
    clock.time += 0.15
    assert limiter.take("caller", 99) is None
    clock.time = 1010.1
    assert limiter.take("caller") == pytest.approx(0.05)
    clock.time = 1010.16
    assert limiter.take("caller", 100) is None


def test_a_flood_of_keys_stays_within_the_bound() -> None:
    """FastMCP kept 100,000 client ids in 108 MB and never evicted one."""
    limiter = KeyedLimiter(5, 60, Hand(), max_keys=1_000)
    for number in range(100_000):
        assert limiter.take(f"client-{number}") is None
    assert len(limiter) == 1_000
    assert limiter.evicted_active == 99_000


def test_forgetting_an_idle_key_loses_nothing_and_makes_room() -> None:
    clock = Hand()
    limiter = KeyedLimiter(1, 60, clock, max_keys=100)
    for number in range(100):
        limiter.take(f"client-{number}")
    clock.time += 60
    for number in range(60):
        assert limiter.take(f"newcomer-{number}") is None
    assert len(limiter) <= 60 + 1
    assert limiter.evicted_active == 0


def test_whoever_keeps_calling_keeps_its_window_through_a_flood() -> None:
    limiter = KeyedLimiter(1, 60, Hand(), max_keys=10)
    assert limiter.take("attacker") is None
    for number in range(100):
        limiter.take(f"invented-{number}")
        assert limiter.take("attacker") is not None


@pytest.mark.parametrize("amount", [0, -1, 6, float("nan"), float("inf")])
def test_an_amount_that_can_never_be_admitted_is_an_error(amount: float) -> None:
    with pytest.raises(ValueError, match="amount"):
        KeyedLimiter(5, 60, Hand()).take("caller", amount)


@pytest.mark.parametrize("rate, period, keys", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_limiter_that_limits_nothing_cannot_be_built(rate: float, period: float, keys: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        KeyedLimiter(rate, period, Hand(), max_keys=keys)


@settings(deadline=None)
@given(
    rate=st.integers(1, 200),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 5)), min_size=1, max_size=300),
)
def test_no_window_ever_holds_more_than_the_rate(rate: int, steps: list[tuple[float, int]]) -> None:
    clock = Hand()
    limiter = KeyedLimiter(rate, 10, clock)
    admitted: list[tuple[float, int]] = []
    for pause, amount in steps:
        clock.time += pause
        if amount <= rate and limiter.take("caller", amount) is None:
            admitted.append((clock.time, amount))
            assert sum(n for when, n in admitted if when > clock.time - 10) <= rate


@settings(deadline=None)
@given(
    rate=st.floats(0.5, 200),
    steps=st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, 5)), min_size=1, max_size=300),
)
def test_the_running_total_decides_as_a_sum_over_the_window_does(rate: float, steps: list[tuple[float, float]]) -> None:
    clock = Hand()
    limiter = KeyedLimiter(rate, 10, clock)
    for pause, amount in steps:
        clock.time += pause
        if amount > rate:
            continue
        window = list(limiter._windows.get("caller", ()))
        held = [n for when, n in zip(window[::2], window[1::2], strict=True) if when > clock.time - 10]
        assert (limiter.take("caller", amount) is None) == (sum(held) + amount - rate <= 1e-9)


def test_an_eased_limit_admits_its_share_and_at_least_one_and_keeps_what_was_counted() -> None:
    clock = Hand()
    limiter = KeyedLimiter(10, 60, clock)
    limiter.ease(0.3)
    assert [limiter.take("caller") for _ in range(5)].count(None) == 3
    limiter.ease(0.0)
    assert limiter.take("caller") == 60.0
    assert limiter.take("another", 5) is None, "more than there is: all that there is"
    limiter.ease(1.0)
    assert [limiter.take("caller") for _ in range(9)].count(None) == 7
    with pytest.raises(ValueError, match="amount"):
        limiter.take("caller", 11)


class LimiterMachine(RuleBasedStateMachine):
    """Against a plain log of admissions: the same answers, as long as no active key had to be forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Hand()
        self.limiter = KeyedLimiter(4, 10, self.clock, max_keys=3)
        self.log: dict[str, list[tuple[float, int]]] = {}
        self.rate = 4

    @rule(share=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
    def ease(self, share: float) -> None:
        self.rate = max(1, int(4 * share))
        self.limiter.ease(share)

    @rule(key=st.sampled_from("abc"), amount=st.integers(1, 4))
    def take(self, key: str, amount: int) -> None:
        log = [entry for entry in self.log.get(key, []) if entry[0] > self.clock.time - 10]
        wait = self.limiter.take(key, amount)
        amount = min(amount, self.rate)
        fits = sum(n for _, n in log) + amount <= self.rate
        assert (wait is None) == fits
        if wait is None:
            log.append((self.clock.time, amount))
        else:
            assert 0 < wait <= 10
            left = [n for when, n in log if when > self.clock.time + wait - 10 + 1e-6]
            assert sum(left) + amount <= self.rate
        self.log[key] = log

    @rule(seconds=st.integers(0, 12))
    def pass_time(self, seconds: int) -> None:
        self.clock.time += seconds

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.limiter) <= 3
        assert self.limiter.evicted_active == 0


TestLimiterMachine = LimiterMachine.TestCase
TestLimiterMachine.settings = settings(deadline=None, max_examples=2_000 if os.environ.get("SOAK") else 60)
