"""Failures and advice as a SARIF 2.1.0 log (OASIS, 2020), which code hosts and editors read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from holdfast_attack.model.case import Case, Severity
from holdfast_attack.model.outcome import Report, Verdict
from holdfast_attack.report.asjson import held
from holdfast_attack.report.gathered import Entry, Told, accepted, ended, failed, reproduction, subject_name
from holdfast_attack.report.harmless import one_line, sentence

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final[Mapping[Severity, str]] = {
    Severity.ADVICE: "note",
    Severity.LOW: "warning",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
_SCORES: Final[Mapping[Severity, str]] = {  # a code host reads low, medium, high and critical back from these
    Severity.LOW: "3.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}
_SOURCES: Final = frozenset({".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".rb", ".go", ".rs", ".php", ".sh", ".jar"})


def as_sarif(report: Report) -> str:
    """The log, in ASCII. A result is one case with one tool, over all lanes; accepted ones are suppressed."""
    cases = {outcome.case.id: outcome.case for outcome in report.outcomes}
    number = {case_id: index for index, case_id in enumerate(cases)}
    driver = {"name": "holdfast attack", "rules": [_rule(case) for case in cases.values()]}
    if report.tool_version:
        driver["version"] = one_line(report.tool_version)
    told = [(each, False) for each in (*failed(report), *ended(report, Verdict.ADVICE))]
    told += [(each, True) for each in accepted(report)]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",  # 3.14.17
        "invocations": [_invocation(report)],
        "results": [
            _result(entry, same, report, (number[entry.case.id], known))
            for entry, known in told
            for same in _by_tool(entry.told)
        ],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _rule(case: Case) -> dict[str, Any]:
    """A ``reportingDescriptor`` (3.49); ``security-severity`` and ``tags`` are what code hosts show and sort by."""
    properties: dict[str, Any] = {"tags": ["mcp", case.kind.value], "precision": "high"}
    if case.severity in _SCORES:
        properties["security-severity"] = _SCORES[case.severity]
        properties["tags"].insert(0, "security")
    about = f"{sentence(case.remedy)} Reference: {case.reference.text} ({case.reference.backing})."
    return {
        "id": case.id,
        "shortDescription": {"text": case.title},
        "fullDescription": {"text": f"Sent: {sentence(case.sends)} Sound: {sentence(case.sound)}"},
        "help": {"text": about, "markdown": _page(case)},
        "defaultConfiguration": {"level": _LEVELS[case.severity]},
        "properties": properties,
    }


def _page(case: Case) -> str:
    reference = f"{case.reference.text} ({case.reference.backing})"
    parts = (("Sent", case.sends), ("Sound", case.sound), ("Remedy", case.remedy), ("Reference", reference))
    return "\n\n".join(f"**{name}:** {text}" for name, text in parts)


def _invocation(report: Report) -> dict[str, Any]:
    """An ``invocation`` (3.20): the run itself did what it should, whatever it found."""
    made: dict[str, Any] = {"executionSuccessful": True}
    if report.reproduce:
        made["commandLine"] = one_line(report.reproduce)
    try:
        began = datetime.fromisoformat(report.began)
    except ValueError:
        return made
    began = began.astimezone(UTC) if began.tzinfo else began
    return {**made, "startTimeUtc": f"{began.replace(tzinfo=None).isoformat(timespec='seconds')}Z"}


def _by_tool(told: Iterable[Told]) -> list[list[Told]]:
    """What was found of one tool belongs together: figures in the words may differ from run to run."""
    by_tool: dict[str, list[Told]] = {}
    for each in told:
        by_tool.setdefault(each.finding.tool or "", []).append(each)
    return list(by_tool.values()) or [[]]


def _result(entry: Entry, same: list[Told], report: Report, rule: tuple[int, bool]) -> dict[str, Any]:
    """A ``result`` (3.27). ``rule`` is the number of its rule, and whether the baseline accepts it."""
    case, tool = entry.case, one_line(same[0].finding.tool or "") if same else ""
    index, known = rule
    what = "; ".join(one_line(each.finding.what) for each in same) or one_line(case.title)
    again = f" Again: {again}" if (again := one_line(reproduction(report, case.id))) else ""
    message = f"{f'{tool}: ' if tool else ''}{sentence(what)} {sentence(one_line(case.remedy))}{again}"
    properties: dict[str, Any] = {"lanes": sorted({str(lane) for each in same for lane in each.lanes})}
    evidence = next((each.finding for each in same if each.finding.sent or each.finding.got), None)
    if evidence is not None:
        properties |= {"sent": held(evidence.sent), "got": held(evidence.got)}
    result = {
        "ruleId": case.id,
        "ruleIndex": index,
        "level": _LEVELS[case.severity],
        "message": {"text": safe_message(message)},
        "locations": [_location(report, tool)],
        "partialFingerprints": {  # 3.27.17: the same finding in the next run, whatever its figures
            "holdfastAttack/v1": sha256(f"{case.id} {tool}".encode()).hexdigest()
        },
        "properties": properties,
    }
    if known:
        result["suppressions"] = [{"kind": "external", "justification": "accepted by the baseline"}]  # 3.35
    return result


def safe_message(text: str) -> str:
    """A message that is shown as it is: no placeholder (3.11.5), and no link of a server's making (3.11.6)."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _location(report: Report, tool: str) -> dict[str, Any]:
    """A ``location`` (3.28): the server's file as the command names it, else its program or address, and the tool.

    Code hosts refuse results without a file and a line; which line of the server is at fault, nobody can see from
    outside, so it is the first.
    """
    name = one_line(tool or subject_name(report))
    return {
        "physicalLocation": {"artifactLocation": {"uri": _artifact(report)}, "region": {"startLine": 1}},
        "logicalLocations": [{"name": name, "kind": "function" if tool else "module"}],
    }


def _artifact(report: Report) -> str:
    words = report.subject.command
    source = next((word for word in words if PurePath(word).suffix in _SOURCES), words[0] if words else "")
    return quote(source.encode("utf-8", "backslashreplace")) or _address(report.subject.url) or "server"


def _address(url: str) -> str:
    return quote(url.encode("utf-8", "backslashreplace"), safe=":/?#[]@!$&'()*+,;=%")
