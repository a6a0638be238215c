"""The same case over lanes is one entry, in an order that puts the worst first."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast_attack.model.case import Severity
from holdfast_attack.model.outcome import Finding, Report, Subject, Verdict
from holdfast_attack.report.gathered import (
    accepted,
    counted,
    duration,
    ended,
    failed,
    percent,
    reproduction,
    subject_name,
    totals,
    when,
)


def test_the_same_finding_on_two_lanes_is_told_once_with_both(report: Report, make: Any) -> None:
    parent = failed(report)[0]
    assert parent.case.id == "paths.parent"
    assert parent.lanes == (make.stdio_old, make.stdio_new)
    assert [(told.finding.tool, told.lanes) for told in parent.told] == [
        ("read_file", (make.stdio_old, make.stdio_new)),
        ("search_files", (make.stdio_old,)),
    ]


def test_the_bytes_are_those_of_the_first_lane_that_has_any(make: Any) -> None:
    case = make.case()
    bare, full = Finding("same"), Finding("same", None, b"sent", b"got")
    outcomes = [
        make.outcome(case, lane, Verdict.FAILED, findings=(finding,))
        for lane, finding in ((make.stdio_old, bare), (make.stdio_new, full))
    ]
    assert failed(make.report(*outcomes))[0].told[0].finding is full


def test_worst_first_and_accepted_ones_apart(report: Report) -> None:
    assert [entry.case.severity for entry in failed(report)] == [
        Severity.CRITICAL,
        Severity.HIGH,
        Severity.MEDIUM,
        Severity.LOW,
    ]
    assert [entry.case.id for entry in accepted(report)] == ["http.origin-foreign"]


def test_an_outcome_without_findings_tells_its_reason(report: Report) -> None:
    (crash,) = ended(report, Verdict.INCONCLUSIVE)
    assert [told.finding.what for told in crash.told] == ["the server was only connected to"]


def test_a_case_is_named_before_the_servers_own_words(make: Any) -> None:
    given = make.report(reproduce="holdfast attack --seed 7 -- python 'my server.py' -- --case x")
    assert reproduction(given, "wire.deep") == (
        "holdfast attack --seed 7 --case wire.deep -- python 'my server.py' -- --case x"
    )


@pytest.mark.parametrize("line", ["holdfast attack --url http://127.0.0.1:8000/mcp", "holdfast attack 'unclosed -- x"])
def test_without_a_command_the_case_comes_last(make: Any, line: str) -> None:
    assert reproduction(make.report(reproduce=line), "wire.deep") == f"{line} --case wire.deep"


def test_without_a_command_line_there_is_nothing_to_reproduce_with(empty: Report) -> None:
    assert reproduction(empty, "wire.deep") == ""


@pytest.mark.parametrize(
    "score, text", [(None, "-"), (1.0, "100 %"), (0.999, "99 %"), (0.29, "29 %"), (0.57, "57 %"), (0.0, "0 %")]
)
def test_a_score_is_never_rounded_up(score: float | None, text: str) -> None:
    assert percent(score) == text


def test_times_and_totals_are_told_in_words(report: Report) -> None:
    assert duration(report) == "23.4 s of at most 300 s"
    assert totals(report) == "5 failed, 66 passed, 1 advice, 2 not applicable, 1 inconclusive, 1 accepted"
    assert (counted(1, "lane"), counted(0, "lane")) == ("1 lane", "0 lanes")


@pytest.mark.parametrize(
    "began, told",
    [
        ("2026-11-21T18:30:00.5+02:00", "2026-11-21 16:30:00 UTC"),
        ("2026-11-21T18:30:00Z", "2026-11-21 18:30:00 UTC"),
        ("2026-11-21T18:30:00", "2026-11-21 18:30:00 UTC"),
        ("yesterday", "yesterday"),
    ],
)
def test_when_it_began_is_told_in_utc(make: Any, began: str, told: str) -> None:
    assert when(make.report(began=began)) == told


@pytest.mark.parametrize(
    "subject, name",
    [
        (Subject("mine", ("python", "a.py")), "mine"),
        (Subject("", ("python", "a b.py"), "http://x"), "python 'a b.py'"),
        (Subject("", (), "http://127.0.0.1/mcp"), "http://127.0.0.1/mcp"),
        (Subject("", name="says"), "says"),
        (Subject(""), "a server"),
    ],
)
def test_a_server_always_has_something_to_be_called(make: Any, subject: Subject, name: str) -> None:
    assert subject_name(make.report(subject=subject)) == name
