"""The scorecard as a picture: a ring for the score and a stacked bar for each class, as inline SVG that fits any width.

Lengths are shares of the width and heights are pixels, so that the words stay as large on a phone as on a desk.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi
from typing import Final

from holdfast_attack.model.outcome import Report
from holdfast_attack.model.scorecard import Row, scorecard
from holdfast_attack.report.gathered import percent
from holdfast_attack.report.markup import Markup, element, joined

SEGMENTS: Final = (
    ("passed", "passed"),
    ("failed", "failed"),
    ("advice", "advice"),
    ("inconclusive", "inconclusive"),
    ("accepted", "accepted"),
    ("none", "not applicable"),
)
"""Class in the style sheet, and name, in the order in which they are stacked."""
_ROW, _BAR, _RADIUS = 42, 9, 43


def ring(row: Row) -> Markup:
    """The score as a share of a circle."""
    around = 2 * pi * _RADIUS
    share = row.score or 0.0
    arc = element(
        "circle",
        class_="arc",
        cx="50",
        cy="50",
        r=str(_RADIUS),
        stroke_dasharray=f"{share * around:.2f} {around:.2f}",
        transform="rotate(-90 50 50)",
    )
    return element(
        "svg",
        element("circle", class_="track", cx="50", cy="50", r=str(_RADIUS)),
        arc if share else "",
        element("text", percent(row.score), class_="big", x="50", y="57.5"),
        viewBox="0 0 100 100",
        role="img",
        aria_label=f"score {percent(row.score)}",
    )


def bars(report: Report) -> Markup:
    """A bar for each class: what share of its outcomes passed, failed and so on, with the counts above."""
    rows = scorecard(report)
    drawn = [_bar(row, number * _ROW) for number, row in enumerate(rows)]
    return element(
        "svg",
        element("title", "Scorecard by class"),
        *drawn,
        width="100%",
        height=str(max(len(rows) * _ROW - _ROW + 22 + _BAR, 1)),
        role="img",
    )


def _bar(row: Row, top: int) -> Markup:
    name = str(row.kind)
    told = element("tspan", _told(row), class_="soft")
    score = "" if row.score is None else element("tspan", percent(row.score), dx="8")
    said = element("text", told, score, x="100%", y=str(top + 14), class_="right")
    return joined(element("text", name, x="0", y=str(top + 14)), said, *_segments(row, top + 21))


def _told(row: Row) -> str:
    if row.failed:
        return f"{row.failed} failed, {row.passed} passed"
    return f"{row.passed} passed" if row.passed else "none scored"


def counts(row: Row) -> dict[str, int]:
    """How many outcomes each segment stands for."""
    return {
        "passed": row.passed,
        "failed": row.failed,
        "advice": row.advice,
        "inconclusive": row.inconclusive,
        "accepted": row.accepted,
        "none": row.not_applicable,
    }


def _segments(row: Row, top: int) -> Iterator[Markup]:
    counted = counts(row)
    most = sum(counted.values()) or 1
    before = 0
    for segment, name in SEGMENTS:
        count = counted[segment]
        if count:
            yield element(
                "rect",
                element("title", f"{row.kind}: {count} {name}"),
                class_=segment,
                x=f"{before / most * 100:.3f}%",
                y=str(top),
                width=f"{count / most * 100:.3f}%",
                height=str(_BAR),
                rx="2",
            )
        before += count
