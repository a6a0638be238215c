"""Laps become one figure and one ratio: medians, and ratios only within a lap."""

from __future__ import annotations

import pytest
from figures import Laps, figures, percentile, ratio, value

SERIES = {
    "sequential": {"bare": [100.0, 200.0, 1000.0], "holdfast": [25.0, 60.0, 250.0], "floor": [10.0, 20.0, 100.0]},
    "tools_1": {"holdfast": [50.0, 52.0]},
}


def test_a_ratio_is_the_median_of_the_ratios_within_each_lap() -> None:
    assert ratio(SERIES, ("sequential", "holdfast"), ("sequential", "bare")) == pytest.approx(0.25)


def test_what_was_not_measured_has_neither_value_nor_ratio() -> None:
    assert value(SERIES, ("sequential", "fastmcp")) is None
    assert ratio(SERIES, ("sequential", "fastmcp"), ("sequential", "bare")) is None
    assert ratio(SERIES, ("sequential", "holdfast"), ("tools_1", "bare")) is None


def test_a_ratio_to_nothing_is_no_ratio() -> None:
    assert ratio({"a": {"x": [1.0], "y": [0.0]}}, ("a", "x"), ("a", "y")) is None


def test_every_subject_has_the_median_and_its_ratio_to_the_yardstick() -> None:
    found = figures(SERIES)
    assert found["holdfast"]["sequential"].value == 60.0
    assert found["bare"]["sequential"].ratio == 1.0
    assert found["floor"]["sequential"].ratio == pytest.approx(0.1)


def test_what_only_holdfast_has_has_no_ratio_to_the_yardstick() -> None:
    assert figures(SERIES)["holdfast"]["tools_1"].ratio is None


def test_laps_are_kept_in_the_order_in_which_they_were_measured() -> None:
    laps = Laps()
    laps.add("sequential", "bare", 1.0)
    laps.add("sequential", "bare", 2.0)
    assert laps.series == {"sequential": {"bare": [1.0, 2.0]}}


@pytest.mark.parametrize("values, share, found", [([], 0.5, 0.0), ([3, 1, 2], 0.5, 2), ([1, 2, 3], 0.99, 3)])
def test_a_percentile_is_the_nearest_rank(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found
