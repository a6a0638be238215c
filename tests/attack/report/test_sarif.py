"""Code hosts read rules with help, results with stable fingerprints, and nothing that a server made a link."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast_attack.model.case import Severity
from holdfast_attack.model.outcome import Finding, Report, Subject, Verdict
from holdfast_attack.report.sarif import SCHEMA, as_sarif, safe_message


def run_of(report: Report) -> dict[str, Any]:
    log = json.loads(as_sarif(report))
    assert (log["$schema"], log["version"], len(log["runs"])) == (SCHEMA, "2.1.0", 1)
    run: dict[str, Any] = log["runs"][0]
    return run


def test_every_played_case_is_a_rule_with_help(report: Report) -> None:
    driver = run_of(report)["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("holdfast attack", "0.1.0")
    assert {rule["id"] for rule in driver["rules"]} == {outcome.case.id for outcome in report.outcomes}
    rule = next(rule for rule in driver["rules"] if rule["id"] == "paths.parent")
    assert rule["shortDescription"]["text"] == "The title of paths.parent"
    assert rule["help"]["text"] == (
        "hold the root as a descriptor and open beneath it; compare whole components, not prefixes. "
        "Reference: CVE-2025-53110 (advisory)."
    )
    assert "**Remedy:** hold the root" in rule["help"]["markdown"]
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["properties"]["security-severity"] == "9.5"
    assert rule["properties"]["tags"] == ["security", "mcp", "paths"]


def test_failures_are_errors_or_warnings_and_advice_is_a_note(report: Report) -> None:
    run = run_of(report)
    told = [(one["ruleId"], one["level"]) for one in run["results"] if "suppressions" not in one]
    assert told == [
        ("paths.parent", "error"),
        ("paths.parent", "error"),
        ("load.memory", "error"),
        ("wire.half-line", "warning"),
        ("text.ansi", "warning"),
        ("hygiene.annotations", "note"),
    ]
    for one in run["results"]:
        assert run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"]


def test_a_result_is_one_case_with_one_tool_over_all_lanes(report: Report) -> None:
    first, second = run_of(report)["results"][:2]
    assert first["message"]["text"] == (
        "read_file: content from beyond the root came back. hold the root as a descriptor and open beneath it; compare "
        "whole components, not prefixes. Again: holdfast attack --seed 7 --case paths.parent -- "
        "python examples/workspace.py"
    )
    assert first["properties"]["lanes"] == ["stdio/2025-11-25", "stdio/2026-07-28"]
    assert first["properties"]["got"]["text"].endswith('"isError":false}}\n')
    assert second["properties"]["lanes"] == ["stdio/2025-11-25"]
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "examples/workspace.py"},
                "region": {"startLine": 1},
            },
            "logicalLocations": [{"name": "read_file", "kind": "function"}],
        }
    ]


def test_a_fingerprint_does_not_change_with_figures_but_with_the_tool(make: Any) -> None:
    def prints(*findings: Finding) -> list[str]:
        report = make.report(make.outcome(make.case("load.memory"), verdict=Verdict.FAILED, findings=findings))
        return [one["partialFingerprints"]["holdfastAttack/v1"] for one in run_of(report)["results"]]

    assert prints(Finding("grew by 212 MiB", "echo")) == prints(Finding("grew by 97 MiB", "echo"))
    several = prints(Finding("a", "one"), Finding("b", "one"), Finding("a", "two"), Finding("a"))
    assert len(several) == len(set(several)) == 3


def test_what_the_baseline_accepts_is_suppressed(report: Report) -> None:
    (known,) = [one for one in run_of(report)["results"] if "suppressions" in one]
    assert known["ruleId"] == "http.origin-foreign"
    assert known["suppressions"] == [{"kind": "external", "justification": "accepted by the baseline"}]


def test_the_run_says_when_and_how(report: Report) -> None:
    assert run_of(report)["invocations"] == [
        {
            "executionSuccessful": True,
            "commandLine": "holdfast attack --seed 7 -- python examples/workspace.py",
            "startTimeUtc": "2026-11-21T18:30:00Z",
        }
    ]


def test_an_empty_run_has_no_results(empty: Report) -> None:
    run = run_of(empty)
    assert run["results"] == []
    assert run["tool"]["driver"]["rules"] == []


def test_hostile_text_is_ascii_and_no_placeholder_or_link(hostile_report: Report) -> None:
    text = as_sarif(hostile_report)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    run = run_of(hostile_report)
    for result in run["results"]:
        told = result["message"]["text"]
        assert "](" not in told
        assert "{0}" not in told.replace("{{0}}", "")
        assert "\x1b" not in told
    assert run["invocations"][0].keys() == {"executionSuccessful", "commandLine"}
    assert safe_message("{0} [a](b)") == "{{0}} [a] (b)"


@pytest.mark.parametrize(
    "subject, uri",
    [
        (Subject("x", ("/usr/bin/python3", "src/my server.py", "--x")), "src/my%20server.py"),
        (Subject("x", ("npx", "-y", "@modelcontextprotocol/server-filesystem", ".")), "npx"),
        (Subject("x", (), "http://127.0.0.1:8000/mcp?a=b c"), "http://127.0.0.1:8000/mcp?a=b%20c"),
        (Subject("x"), "server"),
    ],
)
def test_a_result_always_has_a_place(make: Any, subject: Subject, uri: str) -> None:
    outcome = make.outcome(make.case(), verdict=Verdict.FAILED, findings=(Finding("bad"),))
    (result,) = run_of(make.report(outcome, subject=subject))["results"]
    place = result["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == uri
    assert place["logicalLocations"][0]["kind"] == "module"


def test_a_failure_without_a_word_tells_its_title(make: Any) -> None:
    (result,) = run_of(make.report(make.outcome(make.case(), verdict=Verdict.FAILED, why="")))["results"]
    assert result["message"]["text"].startswith("The title of paths.parent. hold the root")


def test_advice_has_no_security_severity(make: Any) -> None:
    advice = make.case("hygiene.annotations", Severity.ADVICE)
    (rule,) = run_of(make.report(make.outcome(advice)))["tool"]["driver"]["rules"]
    assert "security-severity" not in rule["properties"]
    assert rule["properties"]["tags"] == ["mcp", "hygiene"]
