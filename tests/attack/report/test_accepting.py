"""A baseline accepts what somebody has looked at, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast_attack.model.case import Severity, Transport
from holdfast_attack.model.outcome import Finding, Lane, Report, Verdict
from holdfast_attack.model.scorecard import fails, whole
from holdfast_attack.report.accepting import Baseline, Known, accept, baseline_of, group, keys, stale


def test_lanes_are_grouped_by_transport_and_era(make: Any) -> None:
    assert group(make.stdio_old) == "stdio/legacy"
    assert group(Lane(Transport.STDIO, "2024-11-05")) == "stdio/legacy"
    assert group(make.http_new) == "http/modern"
    assert group(Lane(Transport.HTTP, "2027-01-01")) == "http/modern"


def test_what_a_run_found_is_accepted_in_the_next(report: Report) -> None:
    told = accept(report, baseline_of(report))
    assert not fails(told, Severity.LOW)
    assert whole(told).failed == 0
    assert whole(told).accepted == 6
    assert told.notes == report.notes


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.FAILED])
def test_only_failures_are_accepted(make: Any, verdict: Verdict) -> None:
    baseline = Baseline(frozenset({Known("paths.parent", "stdio/legacy")}))
    (outcome,) = accept(make.report(make.outcome(make.case(), verdict=verdict)), baseline).outcomes
    assert not outcome.accepted


def test_a_new_tool_under_an_accepted_case_is_a_failure(make: Any) -> None:
    def played(*tools: str) -> Report:
        findings = tuple(Finding("bad", tool) for tool in tools)
        return make.report(make.outcome(make.case(), verdict=Verdict.FAILED, findings=findings))  # type: ignore[no-any-return]

    baseline = baseline_of(played("old"))
    assert not fails(accept(played("old"), baseline), Severity.LOW)
    assert fails(accept(played("old", "new"), baseline), Severity.LOW)


def test_another_transport_or_era_is_a_failure_and_another_revision_is_none(make: Any) -> None:
    def played(lane: Lane) -> Report:
        return make.report(make.outcome(make.case(), lane, Verdict.FAILED, findings=(Finding("bad"),)))  # type: ignore[no-any-return]

    baseline = baseline_of(played(make.stdio_old))
    assert not fails(accept(played(Lane(Transport.STDIO, "2025-06-18")), baseline), Severity.LOW)
    assert fails(accept(played(make.stdio_new), baseline), Severity.LOW)
    assert fails(accept(played(Lane(Transport.HTTP, "2025-11-25")), baseline), Severity.LOW)


def test_words_with_other_figures_are_the_same_finding(make: Any) -> None:
    def played(what: str) -> Report:
        return make.report(make.outcome(make.case(), verdict=Verdict.FAILED, findings=(Finding(what, "echo"),)))  # type: ignore[no-any-return]

    assert not fails(accept(played("97 MiB"), baseline_of(played("212 MiB"))), Severity.LOW)


def test_a_failure_that_names_no_tool_has_a_key_of_its_own(make: Any) -> None:
    assert keys(make.outcome(make.case(), verdict=Verdict.FAILED, why="died")) == {
        Known("paths.parent", "stdio/legacy")
    }
    assert keys(make.outcome(make.case(), verdict=Verdict.FAILED, why="")) == {Known("paths.parent", "stdio/legacy")}


def test_an_entry_that_is_no_longer_found_is_told(make: Any) -> None:
    gone = Known("paths.parent", "stdio/legacy", "old\x1b[31m")
    told = accept(make.report(make.outcome(make.case())), Baseline(frozenset({gone})))
    assert told.notes == (
        "the baseline is stale: 1 entry is no longer found and can be removed: "
        "paths.parent on stdio/legacy with old\\x1b[31m",
    )


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE])
def test_an_entry_whose_case_was_not_judged_is_not_stale(make: Any, verdict: Verdict) -> None:
    baseline = Baseline(frozenset({Known("paths.parent", "stdio/legacy")}))
    assert stale(make.report(make.outcome(make.case(), verdict=verdict)), baseline) == ()
    assert stale(make.report(), baseline) == ()
    assert stale(make.report(make.outcome(make.case(), make.http_new)), baseline) == ()


def test_many_stale_entries_are_told_in_one_bounded_line(make: Any) -> None:
    gone = frozenset(Known("paths.parent", "stdio/legacy", f"tool_{number:02}") for number in range(30))
    (note,) = accept(make.report(make.outcome(make.case())), Baseline(gone)).notes
    assert "30 entries are no longer found" in note
    assert note.endswith("tool_09; and 20 more")


def test_the_method_does_what_the_function_does(report: Report) -> None:
    baseline = baseline_of(report)
    assert baseline.accept(report) == accept(report, baseline)


def test_a_name_that_no_file_can_hold_is_the_same_in_both_runs(make: Any) -> None:
    report = make.report(make.outcome(make.case(), verdict=Verdict.FAILED, findings=(Finding("bad", "\ud800"),)))
    assert {known.tool for known in baseline_of(report).known} == {"\\ud800"}
    assert not fails(accept(report, baseline_of(report)), Severity.LOW)
