"""How long attempts take is learned from those that took it, quickly upwards and steadily down."""

from __future__ import annotations

import pytest

from holdfast.resilience.pace import Pace


def learned(*seconds: float) -> Pace:
    pace = Pace()
    for each in seconds:
        pace.took(each)
    return pace


def test_until_an_attempt_was_over_nothing_is_known() -> None:
    assert Pace().needed == 0.0


def test_the_first_attempt_counts_as_uncertain() -> None:
    assert learned(2.0).needed == pytest.approx(2.0 + 3 * 1.0)


def test_what_always_takes_as_long_needs_hardly_more() -> None:
    assert learned(*[2.0] * 60).needed == pytest.approx(2.0, rel=0.01)


def test_what_varies_needs_more_than_it_takes_on_the_average() -> None:
    assert 2.5 < learned(*[1.0, 3.0] * 60).needed < 6.0


def test_when_it_becomes_quick_again_that_is_learned() -> None:
    assert learned(*[10.0] * 20, *[0.1] * 80).needed < 0.2


def test_an_attempt_that_was_given_up_says_only_that_more_is_needed() -> None:
    pace = learned(*[2.0] * 60)
    needed = pace.needed
    pace.outlasted(1.0)
    assert pace.needed == needed
    pace.outlasted(4.0)
    assert pace.needed > needed + 1.0
    unknown = Pace()
    unknown.outlasted(4.0)
    assert unknown.needed >= 4.0
