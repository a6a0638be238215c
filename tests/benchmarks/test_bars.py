"""The bars of the issue are data, and each run says of each whether it is met."""

from __future__ import annotations

import pytest
from bars import BARS, verdicts

TITLES = {bar.title: bar for bar in BARS}


def series(metric: str, ours: float, theirs: float) -> dict[str, dict[str, list[float]]]:
    return {metric: {"holdfast": [ours], "bare": [theirs]}}


@pytest.mark.parametrize(
    "ours, outcome",
    [(31.0, "not met"), (25.0, "met"), (16.0, "met"), (15.0, "met, stretch too")],
)
def test_a_ratio_is_judged_by_its_bar_and_its_stretch(ours: float, outcome: str) -> None:
    assert TITLES["stdio sequential"].outcome(series("sequential", ours, 100.0)) == outcome


def test_a_verdict_says_what_was_found_and_what_was_asked() -> None:
    told = TITLES["stdio sequential"].verdict(series("sequential", 31.0, 100.0))
    assert told == "stdio sequential 0.31x (bar 0.25, stretch 0.15): not met"


def test_a_bar_in_microseconds_is_judged_without_a_yardstick() -> None:
    bar = TITLES["whole default chain over the handler"]
    assert bar.verdict({"chain": {"holdfast": [35.0, 39.0, 90.0]}}).endswith("39.00 us (bar 40, stretch 20): met")


def test_growth_is_judged_against_holdfast_with_one() -> None:
    bar = TITLES["a call among 1,000 tools against 1"]
    grown = {"tools_1": {"holdfast": [100.0]}, "tools_1000": {"holdfast": [115.0]}}
    assert bar.verdict(grown) == "a call among 1,000 tools against 1 1.15x (bar 1.1): not met"


def test_a_run_without_the_scenario_says_so_for_each_bar() -> None:
    assert all(line.endswith(": not measured") for line in verdicts({}))
    assert len(verdicts({})) == len(BARS)


@pytest.mark.parametrize(
    "title, limit, stretch",
    [
        ("stdio sequential", 0.25, 0.15),
        ("stdio 64 in flight", 0.20, 0.08),
        ("HTTP modern, 1 connection", 0.60, 0.50),
        ("HTTP legacy, 32 connections", 0.35, 0.20),
        ("cold start", 0.60, 0.35),
        ("memory after the first call", 1.0, 0.7),
        ("whole default chain over the handler", 40.0, 20.0),
        ("stdio sequential against the floor", 4.0, 2.5),
        ("a call among 1M principals against 1", 1.1, None),
    ],
)
def test_the_bars_are_those_of_the_issue(title: str, limit: float, stretch: float | None) -> None:
    assert (TITLES[title].limit, TITLES[title].stretch) == (limit, stretch)
