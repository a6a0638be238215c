"""The picture of the scorecard shows shares that add up, in words that a reader without eyes gets too."""

from __future__ import annotations

import re
from typing import Any

import pytest

from holdfast_attack.model.case import Severity
from holdfast_attack.model.outcome import Report, Verdict
from holdfast_attack.model.scorecard import whole
from holdfast_attack.report.picture import SEGMENTS, bars, counts, ring


def rects(drawn: str) -> list[tuple[str, float, float, float]]:
    """Class, x, y and width of each rectangle."""
    found = re.findall(r'<rect class="(\w+)" x="([\d.]+)%" y="(\d+)" width="([\d.]+)%"', drawn)
    return [(name, float(x), float(y), float(width)) for name, x, y, width in found]


def test_each_bar_is_filled_from_end_to_end_without_a_gap(report: Report) -> None:
    rows: dict[float, list[tuple[str, float, float, float]]] = {}
    for rect in rects(bars(report)):
        rows.setdefault(rect[2], []).append(rect)
    assert len(rows) == 13
    for row in rows.values():
        end = 0.0
        for _, x, _, width in row:
            assert x == pytest.approx(end, abs=0.01)
            end = x + width
        assert end == pytest.approx(100, abs=0.01)


def test_a_segment_is_the_share_of_its_outcomes(report: Report) -> None:
    paths = [rect for rect in rects(bars(report)) if rect[2] == 2 * 42 + 21]
    assert paths == [("passed", 0.0, 105.0, 83.333), ("failed", 83.333, 105.0, 16.667)]
    assert "<title>paths: 2 failed</title>" in bars(report)


def test_every_count_of_the_scorecard_has_its_segment(report: Report) -> None:
    assert counts(whole(report)) == {
        "passed": 66, "failed": 5, "advice": 1, "inconclusive": 1, "accepted": 1, "none": 2,
    }  # fmt: skip
    assert [name for name, _ in SEGMENTS] == list(counts(whole(report)))


def test_a_class_in_which_nothing_was_scored_says_so(report: Report) -> None:
    assert 'text x="0" y="224">sql</text>' in bars(report)
    assert bars(report).count("none scored") == 3


def test_the_ring_is_as_long_as_the_score(make: Any) -> None:
    passed = make.outcome(make.case("paths.fifo", Severity.LOW))
    half = make.report(passed, make.outcome(make.case("wire.deep", Severity.LOW), verdict=Verdict.FAILED))
    drawn = ring(whole(half))
    assert 'stroke-dasharray="135.09 270.18"' in drawn
    assert ">50 %</text>" in drawn
    assert 'aria-label="score 50 %"' in drawn


def test_without_a_score_there_is_only_the_track(empty: Report) -> None:
    assert "arc" not in ring(whole(empty))
    assert ">-</text>" in ring(whole(empty))
    assert rects(bars(empty)) == []
