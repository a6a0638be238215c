"""The score: weights by severity, and nothing that was not tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast_attack.model import Case, Kind, Lane, Outcome, Profile, Report, Severity, Subject, Transport, Verdict
from holdfast_attack.model.case import spec
from holdfast_attack.model.scorecard import fails, failures, scorecard, whole

LANE = Lane(Transport.STDIO, "2025-11-25")


async def play(_probe: Any) -> int:
    return 1


def outcome(name: str, severity: Severity, verdict: Verdict, **more: Any) -> Outcome:
    made = Case(id=name, title="t", severity=severity, sends="s", sound="s", reference=spec("x"), remedy="r", play=play)
    return Outcome(made, LANE, verdict, **more)


def report(*outcomes: Outcome) -> Report:
    return Report(Subject("x"), Profile.QUICK, 0, "now", 1.0, 2.0, outcomes)


MIXED = report(
    outcome("paths.a", Severity.CRITICAL, Verdict.PASSED),
    outcome("paths.b", Severity.HIGH, Verdict.FAILED),
    outcome("paths.c", Severity.CRITICAL, Verdict.NOT_APPLICABLE),
    outcome("paths.d", Severity.CRITICAL, Verdict.INCONCLUSIVE),
    outcome("wire.a", Severity.LOW, Verdict.FAILED),
)


def test_a_class_scores_the_weight_that_passed_of_what_was_tried() -> None:
    paths, wire = scorecard(MIXED)
    assert (paths.kind, paths.passed, paths.failed, paths.not_applicable, paths.inconclusive) == (
        Kind.PATHS,
        1,
        1,
        1,
        1,
    )
    assert paths.score == pytest.approx(10 / 16)
    assert wire.score == 0.0
    assert whole(MIXED).score == pytest.approx(10 / 17)


def test_where_nothing_was_tried_there_is_no_score() -> None:
    (row,) = scorecard(report(outcome("sql.a", Severity.HIGH, Verdict.NOT_APPLICABLE)))
    assert row.score is None


def test_the_worst_failure_comes_first_and_decides() -> None:
    assert [each.case.id for each in failures(MIXED)] == ["paths.b", "wire.a"]
    assert fails(MIXED, Severity.HIGH)
    assert not fails(MIXED, Severity.CRITICAL)


def test_what_is_accepted_neither_fails_nor_scores() -> None:
    known = replace(MIXED, outcomes=tuple(replace(o, accepted=o.verdict is Verdict.FAILED) for o in MIXED.outcomes))
    assert failures(known) == ()
    assert not fails(known, Severity.LOW)
    assert whole(known).score == 1.0
    assert whole(known).accepted == 2


@pytest.mark.parametrize("severity, weight", [("ADVICE", 0), ("LOW", 1), ("MEDIUM", 3), ("HIGH", 6), ("CRITICAL", 10)])
def test_the_weights_are_those_that_are_published(severity: str, weight: int) -> None:
    from pathlib import Path

    assert Severity[severity] == weight
    published = (Path(__file__).parents[3] / "docs" / "attack.md").read_text()
    assert f"| {severity.lower()} | {weight} |" in published
