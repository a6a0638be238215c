"""A level rises when several samples in a row agree, and falls one at a time, below the threshold by some way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.watchdog.levels import Levels


def fed(levels: Levels, *values: float) -> list[int]:
    return [levels.feed(value) for value in values]


def test_one_high_sample_is_none() -> None:
    levels = Levels((0.7, 0.9, 0.95))
    assert fed(levels, 0.8, 0.8, 0.1, 0.8, 0.8, 0.99) == [0, 0, 0, 0, 0, 1]
    assert levels.bound(1) == 0.7


def test_it_rises_at_once_to_the_highest_level_that_the_samples_agree_on() -> None:
    assert fed(Levels((0.7, 0.9, 0.95)), 0.96, 0.97, 0.99, 0.99) == [0, 0, 3, 3]
    assert fed(Levels((0.7, 0.9, 0.95)), 0.96, 0.92, 0.99) == [0, 0, 2]


def test_it_falls_one_level_at_a_time_and_only_clearly_below() -> None:
    levels = Levels((0.7, 0.9), samples=2)
    assert fed(levels, 1, 1) == [0, 2]
    assert fed(levels, 0.88, 0.88, 0.88, 0.88) == [2, 2, 2, 2], "within 5 %"
    assert fed(levels, 0.1, 0.88, 0.1) == [2, 2, 2], "not in a row"
    assert fed(levels, 0.1, 0.1, 0.1, 0.1) == [1, 1, 0, 0]


@pytest.mark.parametrize("bounds, samples", [((), 1), ((2.0, 1.0), 1), ((1.0,), 0)])
def test_levels_that_make_no_sense_are_refused(bounds: tuple[float, ...], samples: int) -> None:
    with pytest.raises(ValueError, match="rising bounds"):
        Levels(bounds, samples=samples)


@given(st.lists(st.floats(0, 1.2), max_size=60), st.integers(1, 4))
def test_the_level_is_never_higher_than_the_samples_in_a_row_say(values: list[float], samples: int) -> None:
    bounds = (0.5, 0.8)
    levels = Levels(bounds, samples=samples)
    for index, value in enumerate(values):
        before, level = levels.level, levels.feed(value)
        if level > before:
            assert all(each >= bounds[level - 1] for each in values[index - samples + 1 : index + 1])
        assert level >= before - 1
