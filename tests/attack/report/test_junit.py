"""Readers of JUnit's XML see failures as failures, and what was not judged as skipped with a reason."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from holdfast_attack.model.outcome import Finding, Report, Verdict
from holdfast_attack.report.junit import as_junit


def parsed(report: Report) -> ElementTree.Element:
    return ElementTree.fromstring(as_junit(report).encode())  # noqa: S314 - made here


def test_each_class_is_a_suite_and_the_counts_are_right(report: Report) -> None:
    root = parsed(report)
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites)[:3] == ["holdfast_attack.hygiene", "holdfast_attack.schema", "holdfast_attack.paths"]
    assert (root.get("tests"), root.get("failures"), root.get("skipped"), root.get("errors")) == ("76", "5", "4", "0")
    for suite in root:
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
        assert suite.get("timestamp") == "2026-11-21T18:30:00"
    assert root.get("time") == "19.000"


def test_a_failure_says_all_that_is_needed(report: Report) -> None:
    case = parsed(report).find(".//testcase[@name='paths.parent [stdio/2025-11-25]']")
    assert case is not None
    assert case.get("classname") == "holdfast_attack.paths"
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == "critical"
    assert failure.get("message") == "critical: content from beyond the root came back"
    told = (failure.text or "").splitlines()
    assert told[0] == "read_file: content from beyond the root came back"
    assert told[1].startswith('sent: {"jsonrpc"')
    assert told[2].startswith("got: ")
    assert told[-1] == "reproduce: holdfast attack --seed 7 --case paths.parent -- python examples/workspace.py"


def test_what_was_not_judged_is_skipped_with_its_reason(report: Report) -> None:
    messages = {skipped.get("message") for skipped in parsed(report).iter("skipped")}
    assert messages == {
        "not applicable: no tool takes SQL",
        "inconclusive: the server was only connected to",
        "accepted by the baseline: a foreign origin was served",
    }


def test_advice_passes_and_says_its_piece(report: Report) -> None:
    case = parsed(report).find(".//testcase[@name='hygiene.annotations [stdio/2025-11-25]']")
    assert case is not None
    assert [child.tag for child in case] == ["system-out"]
    assert (case[0].text or "").startswith("advice: readOnlyHint is missing")


def test_hostile_text_stays_text(hostile_report: Report) -> None:
    text = as_junit(hostile_report)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    root = parsed(hostile_report)
    assert {child.tag for child in root.iter()} == {
        "testsuites",
        "testsuite",
        "testcase",
        "failure",
        "skipped",
        "system-out",
    }
    assert all(suite.get("timestamp") is None for suite in root)


def test_an_empty_run_is_a_valid_file(empty: Report) -> None:
    root = parsed(empty)
    assert list(root) == []
    assert root.get("tests") == "0"


@pytest.mark.parametrize("began", ["2026-11-21T20:30:00.25+02:00", "2026-11-21T18:30:00"])
def test_the_time_stamp_is_in_utc_to_the_second(make: Any, began: str) -> None:
    root = parsed(make.report(make.outcome(make.case()), began=began))
    assert root[0].get("timestamp") == "2026-11-21T18:30:00"


def test_characters_beyond_ascii_are_kept_as_references(make: Any) -> None:
    finding = Finding("größer 🎉", None)
    root = parsed(make.report(make.outcome(make.case(), verdict=Verdict.FAILED, findings=(finding,))))
    (failure,) = root.iter("failure")
    assert failure.get("message") == "critical: größer 🎉"
