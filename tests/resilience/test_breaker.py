"""A failing tool is left alone, few probes decide, and nobody else does."""

from __future__ import annotations

import os
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.errors import BreakerOpen
from holdfast.resilience.breaker import Breaker, Permit
from holdfast.testing.clock import FakeClock


class Hand(FakeClock):
    """Moved without a loop, because nothing in a breaker sleeps."""

    def pass_time(self, seconds: float) -> None:
        self._now += seconds


def breaker(clock: Hand, **settings: Any) -> Breaker:
    return Breaker(clock, rng=random.Random(7), **settings)


def call(subject: Breaker, *, failed: bool, duration: float = 0.1) -> None:
    permit = subject.permit()
    if failed:
        permit.failure(duration)
    else:
        permit.success(duration)


def opened(clock: Hand, **settings: Any) -> Breaker:
    subject = breaker(clock, **settings)
    for _ in range(20):
        call(subject, failed=True)
    assert subject.state == "open"
    return subject


def half_open(clock: Hand, **settings: Any) -> Breaker:
    subject = opened(clock, **settings)
    clock.pass_time(5)
    return subject


def refused(subject: Breaker) -> float:
    with pytest.raises(BreakerOpen) as refusal:
        subject.permit()
    assert refusal.value.retry_after is not None
    return refusal.value.retry_after


def test_half_of_twenty_calls_failing_opens_it() -> None:
    subject = breaker(Hand())
    for number in range(19):
        call(subject, failed=number % 2 == 0)
    assert subject.state == "closed"
    call(subject, failed=False)
    assert subject.state == "open"


def test_fewer_calls_than_the_minimum_decide_nothing() -> None:
    subject = breaker(Hand())
    for _ in range(19):
        call(subject, failed=True)
    assert subject.state == "closed"


def test_fewer_failures_than_the_share_decide_nothing() -> None:
    subject = breaker(Hand())
    for number in range(200):
        call(subject, failed=number % 5 < 2)
    assert subject.state == "closed"


def healthy_then_down(*, interval: float, calls: int) -> tuple[Breaker, Hand]:
    """After many good calls, so many bad ones in a row."""
    clock = Hand()
    subject = breaker(clock)
    for _ in range(1_000):
        call(subject, failed=False)
    for _ in range(calls):
        call(subject, failed=True)
        clock.pass_time(interval)
    return subject, clock


def test_a_long_run_of_failures_opens_it_however_well_things_went_before() -> None:
    subject, _ = healthy_then_down(interval=0.1, calls=90)
    assert subject.state == "closed", "for 9 s nothing came back: that may be a hiccup"
    subject, _ = healthy_then_down(interval=0.1, calls=91)
    assert subject.state == "open"


def test_one_success_ends_a_run_of_failures() -> None:
    subject, clock = healthy_then_down(interval=0.1, calls=85)
    call(subject, failed=False)
    for _ in range(80):
        call(subject, failed=True)
        clock.pass_time(0.1)
    assert subject.state == "closed"


def test_a_run_of_few_failures_decides_nothing() -> None:
    subject, _ = healthy_then_down(interval=0.8, calls=19)
    assert subject.state == "closed"
    call(subject, failed=True)
    assert subject.state == "open"


def test_a_run_that_began_before_the_window_begins_anew() -> None:
    subject, clock = healthy_then_down(interval=0.1, calls=19)
    clock.pass_time(30)
    for _ in range(19):
        call(subject, failed=True)
    assert subject.state == "closed"


def test_it_never_opens_on_one_success_after_another_because_older_ones_are_forgotten() -> None:
    """What fell was up again when the window had forgotten enough of the time before it fell."""
    clock = Hand()
    subject = breaker(clock)
    for _ in range(30):
        call(subject, failed=False)
    clock.pass_time(28)
    for _ in range(25):
        call(subject, failed=True)
    call(subject, failed=False)
    clock.pass_time(4)
    for _ in range(20):
        call(subject, failed=False)
    assert subject.state == "closed"
    assert subject._recent.failures > 0.5 * subject._recent.calls - 1
    call(subject, failed=True)
    assert subject.state == "open", "a failure does"


def test_slow_calls_open_it_like_failures() -> None:
    subject = breaker(Hand(), slow_seconds=2.0)
    for number in range(20):
        call(subject, failed=False, duration=2.0 if number % 5 else 0.1)
    assert subject.state == "open"


def test_without_a_limit_no_call_is_slow() -> None:
    subject = breaker(Hand())
    for _ in range(100):
        call(subject, failed=False, duration=1e6)
    assert subject.state == "closed"


def test_what_happened_before_the_window_is_forgotten() -> None:
    clock = Hand()
    subject = breaker(clock)
    for _ in range(19):
        call(subject, failed=True)
    clock.pass_time(31)
    for _ in range(20):
        call(subject, failed=False)
    assert subject.state == "closed"
    clock.pass_time(15)
    for _ in range(19):
        call(subject, failed=True)
    assert subject.state == "closed"
    clock.pass_time(17)
    call(subject, failed=True)
    assert subject.state == "open"


def test_a_long_silence_forgets_everything_at_once() -> None:
    clock = Hand()
    subject = breaker(clock)
    for _ in range(19):
        call(subject, failed=True)
    clock.pass_time(1e6)
    call(subject, failed=True)
    assert subject.state == "closed"
    assert subject._recent.calls == 1


def test_open_refuses_and_says_for_how_long() -> None:
    clock = Hand()
    subject = opened(clock)
    pause = refused(subject)
    assert 4.0 <= pause <= 5.0
    clock.pass_time(1.0)
    assert refused(subject) == pytest.approx(pause - 1.0)


def test_the_pause_doubles_up_to_a_minute_and_starts_anew_after_recovery() -> None:
    clock = Hand()
    subject = opened(clock)
    pauses = []
    for _ in range(6):
        pauses.append(refused(subject))
        clock.pass_time(pauses[-1])
        call(subject, failed=True)
    for pause, full in zip(pauses, [5, 10, 20, 40, 60, 60], strict=True):
        assert 0.8 * full <= pause <= full
    clock.pass_time(60)
    for _ in range(3):
        call(subject, failed=False)
    assert subject.state == "closed"
    for _ in range(20):
        call(subject, failed=True)
    assert refused(subject) <= 5


def test_jitter_keeps_breakers_from_probing_in_step() -> None:
    pauses = set()
    for seed in range(20):
        subject = Breaker(Hand(), rng=random.Random(seed))
        for _ in range(20):
            call(subject, failed=True)
        pauses.add(round(refused(subject), 3))
    assert len(pauses) > 15


def test_of_a_hundred_callers_at_half_open_three_get_through() -> None:
    """purgatory and aiobreaker let 100 of 100 through."""
    subject, through, told = half_open(Hand()), 0, set()
    for _ in range(100):
        try:
            subject.permit()
        except BreakerOpen as refusal:
            told.add(refusal.retry_after)
        else:
            through += 1
    assert (through, told, subject.state) == (3, {1.0}, "half_open")


def test_successes_of_this_round_count_against_the_probes() -> None:
    subject = half_open(Hand())
    call(subject, failed=False)
    subject.permit()
    subject.permit()
    refused(subject)


def test_a_cancelled_probe_gives_its_place_back() -> None:
    """A cancelled probe left another breaker half open for ever."""
    subject = half_open(Hand())
    for _ in range(50):
        permits = [subject.permit() for _ in range(3)]
        for permit in permits:
            permit.release()
    assert subject.probing == 0
    for _ in range(3):
        call(subject, failed=False)
    assert subject.state == "closed"


def test_a_lost_probe_loses_its_lease_and_its_vote() -> None:
    clock = Hand()
    subject = half_open(clock, lease=30.0)
    lost = [subject.permit() for _ in range(3)]
    clock.pass_time(29.5)
    assert refused(subject) == pytest.approx(0.5)
    clock.pass_time(0.5)
    fresh = subject.permit()
    for permit in lost:
        permit.failure(30.0)
    assert subject.state == "half_open"
    fresh.success(0.1)
    call(subject, failed=False)
    call(subject, failed=False)
    assert subject.state == "closed"


def test_a_lease_that_ended_unnoticed_has_no_vote_either() -> None:
    clock = Hand()
    subject = half_open(clock, lease=30.0)
    lost = subject.permit()
    clock.pass_time(30)
    lost.failure(30.0)
    assert subject.state == "half_open"


def test_stragglers_from_before_decide_nothing() -> None:
    """Stragglers closed other breakers."""
    clock = Hand()
    subject = breaker(clock)
    stragglers = [subject.permit() for _ in range(40)]
    for _ in range(20):
        call(subject, failed=True)
    for straggler in stragglers[:20]:
        straggler.success(0.1)
    assert subject.state == "open"
    clock.pass_time(5)
    subject.permit()
    for straggler in stragglers[20:30]:
        straggler.success(0.1)
    for straggler in stragglers[30:]:
        straggler.failure(0.1)
    assert subject.state == "half_open"


def test_one_failed_probe_opens_it_again() -> None:
    subject = half_open(Hand())
    call(subject, failed=False)
    call(subject, failed=True)
    assert subject.state == "open"


def test_probes_that_are_all_slow_open_it_again() -> None:
    subject = half_open(Hand(), slow_seconds=1.0)
    for _ in range(3):
        call(subject, failed=False, duration=1.0)
    assert subject.state == "open"


def test_refusals_and_cancelled_calls_are_not_counted() -> None:
    subject = breaker(Hand())
    for _ in range(100):
        subject.permit().release()
    for _ in range(19):
        call(subject, failed=True)
    assert subject.state == "closed"


def test_only_the_first_word_about_a_call_counts() -> None:
    subject = breaker(Hand())
    permit = subject.permit()
    permit.release()
    for _ in range(5):
        permit.failure(0.1)
    assert subject._recent.calls == 0
    permit = subject.permit()
    permit.success(0.1)
    permit.failure(0.1)
    assert (subject._recent.calls, subject._recent.failures) == (1, 0)


def test_every_change_is_told() -> None:
    clock, told = Hand(), []
    subject = half_open(clock, on_change=lambda old, new: told.append((old, new)))
    for _ in range(3):
        call(subject, failed=False)
    assert told == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


@pytest.mark.parametrize("wrong", [{"probes": 0}, {"min_calls": 0}, {"open_for": 0}, {"lease": -1}, {"window": 0}])
def test_a_breaker_that_could_not_work_cannot_be_built(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="breaker"):
        breaker(Hand(), **wrong)


class BreakerMachine(RuleBasedStateMachine):
    """Permits settle in any order, late, twice or never; the bounds hold all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Hand()
        self.changes: list[tuple[str, str]] = []
        self.subject = Breaker(
            self.clock,
            min_calls=4,
            slow_seconds=1.0,
            rng=random.Random(1),
            on_change=lambda old, new: self.changes.append((old, new)),
        )
        self.out: list[tuple[Permit, int, float]] = []
        self.settled: list[Permit] = []

    def facts(self) -> tuple[Any, ...]:
        """Everything that a word about a call may change."""
        subject, recent = self.subject, self.subject._recent
        return (
            len(self.changes),
            subject.probing,
            subject._probed,
            recent.calls,
            recent.failures,
            recent.slow,
            recent.run,
        )

    @rule()
    def ask(self) -> None:
        was, told = self.subject.state, 1.0
        try:
            permit = self.subject.permit()
        except BreakerOpen as refusal:
            was, told = f"refused while {was}", refusal.retry_after or 0.0
        else:
            assert self.subject.state != "open"
            self.out.append((permit, len(self.changes), self.clock.now()))
        assert was != "refused while closed"
        assert 0 < told <= 60

    @precondition(lambda self: self.out)
    @rule(data=st.data(), how=st.sampled_from(["success", "failure", "release"]))
    def settle(self, data: Any, how: str) -> None:
        """A straggler from before the last change decides nothing; a caller who left says nothing but frees a probe."""
        permit, changes, since = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.settled.append(permit)
        before, state = self.facts(), self.subject.state
        getattr(permit, how)(*(() if how == "release" else (min(2.0, self.clock.now() - since),)))
        if changes != before[0]:
            assert self.facts() == before
        elif how == "release":
            assert self.facts()[2:] == before[2:]
            assert before[1] - self.facts()[1] in ((0, 1) if state == "half_open" else (0,))
        elif state == "closed" and self.subject.state == "closed":
            forgotten = before[3] - self.facts()[3] + 1
            assert forgotten >= 0, "counted once, whatever the window forgot meanwhile"
            assert self.facts()[3] >= 1
        elif state == "half_open" and how == "failure" and before[1] == 3 and self.clock.now() - since < 30:
            assert self.subject.state == "open", "one failure of a probe is enough"

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), how=st.sampled_from(["success", "failure"]))
    def settle_again(self, data: Any, how: str) -> None:
        before = self.facts()
        getattr(data.draw(st.sampled_from(self.settled[-10:])), how)(0.1)
        assert self.facts() == before

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 5.0, 30.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)

    @invariant()
    def at_most_three_probes(self) -> None:
        assert self.subject.probing + self.subject._probed <= 3
        assert self.subject.probing == 0 or self.subject.state == "half_open"

    @invariant()
    def the_window_never_counts_below_zero(self) -> None:
        recent = self.subject._recent
        assert 0 <= recent.failures <= recent.calls
        assert 0 <= recent.slow <= recent.calls

    @invariant()
    def only_legal_changes(self) -> None:
        legal = {("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed")}
        assert set(self.changes) <= legal
        assert all(one[1] == other[0] for one, other in pairwise(self.changes))

    def teardown(self) -> None:
        """Whatever happened, a tool that works again is called again."""
        for permit, _, _ in self.out:
            permit.release()
        self.clock.pass_time(61)
        for _ in range(8):
            call(self.subject, failed=False)
        assert self.subject.state == "closed"
        assert self.subject.probing == 0


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(deadline=None, max_examples=2_000 if os.environ.get("SOAK") else 60)
