"""The report as JSON for programs, everything in it, in the schema ``holdfast-attack/1``.

    schema       "holdfast-attack/1": it grows when a field changes its meaning; new fields may come without that
    tool         {name, version}
    subject      {label, command: [word], url, name, version, versions: [protocol version], tools: count}
    run          {profile, seed, began, seconds, limit, reproduce, notes: [line], environment: {name: value},
                 lanes: [lane]}
    scorecard    {classes: [row], all: row}; row: {class, passed, failed, advice, not_applicable, inconclusive,
                 accepted, weight_passed, weight_failed, score: 0 to 1 or null}; counted are outcomes
    cases        {id: {title, class, severity, weight, sends, sound, reference: {backing, text}, remedy, transports,
                 eras, profile, advisories, reproduce}}: those that have an outcome
    outcomes     [{case, lane, verdict, accepted, why, seconds, attempts, findings: [finding]}], in the order of the run
    lane         {transport: "stdio" or "http", version}
    finding      {what, tool: name or null, sent: bytes, got: bytes}
    bytes        {size, text} when all of it is UTF-8 that can be seen, else {size, base64}; null when there are none
    severity     "advice", "low", "medium", "high" or "critical"
    verdict      "passed", "failed", "advice", "not applicable" or "inconclusive"

It is ASCII, so that no terminal obeys it and no editor hides a part of it. A lone surrogate, which strict readers
refuse, is written as its escape.
"""

from __future__ import annotations

import json
from base64 import b64encode
from math import isfinite
from typing import Any, Final

from holdfast_attack.model.case import Case
from holdfast_attack.model.outcome import Finding, Lane, Outcome, Report, Subject
from holdfast_attack.model.scorecard import Row, scorecard, whole
from holdfast_attack.report.gathered import lanes, reproduction
from holdfast_attack.report.harmless import encodable, printable

SCHEMA: Final = "holdfast-attack/1"


def as_json(report: Report) -> str:
    """The whole report as text, indented."""
    return json.dumps(document(report), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The whole report as plain dicts, lists, text and numbers."""
    cases = {outcome.case.id: outcome.case for outcome in report.outcomes}
    whole_report = {
        "schema": SCHEMA,
        "tool": {"name": "holdfast attack", "version": report.tool_version},
        "subject": _subject(report.subject),
        "run": _run(report),
        "scorecard": {"classes": [_row(row) for row in scorecard(report)], "all": _row(whole(report))},
        "cases": {case_id: _case(case, report) for case_id, case in cases.items()},
        "outcomes": [_outcome(outcome) for outcome in report.outcomes],
    }
    strict: dict[str, Any] = _strict(whole_report)
    return strict


def _strict(value: Any) -> Any:
    """``value`` with every text such that UTF-8 can hold it."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable(key): _strict(each) for key, each in value.items()}
    return [_strict(each) for each in value] if isinstance(value, list) else value


def _subject(subject: Subject) -> dict[str, Any]:
    return {
        "label": subject.label,
        "command": list(subject.command),
        "url": subject.url,
        "name": subject.name,
        "version": subject.version,
        "versions": list(subject.versions),
        "tools": subject.tools,
    }


def _run(report: Report) -> dict[str, Any]:
    return {
        "profile": report.profile.value,
        "seed": report.seed,
        "began": report.began,
        "seconds": number(report.seconds),
        "limit": number(report.limit),
        "reproduce": report.reproduce,
        "notes": list(report.notes),
        "environment": dict(report.environment),
        "lanes": [_lane(lane) for lane in lanes(report)],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "class": row.kind.value if row.kind else "all",
        "passed": row.passed,
        "failed": row.failed,
        "advice": row.advice,
        "not_applicable": row.not_applicable,
        "inconclusive": row.inconclusive,
        "accepted": row.accepted,
        "weight_passed": row.weight_passed,
        "weight_failed": row.weight_failed,
        "score": row.score,
    }


def _case(case: Case, report: Report) -> dict[str, Any]:
    return {
        "title": case.title,
        "class": case.kind.value,
        "severity": case.severity.name.lower(),
        "weight": case.severity.value,
        "sends": case.sends,
        "sound": case.sound,
        "reference": {"backing": case.reference.backing.value, "text": case.reference.text},
        "remedy": case.remedy,
        "transports": sorted(case.transports),
        "eras": case.eras.value,
        "profile": case.profile.value,
        "advisories": list(case.advisories),
        "reproduce": reproduction(report, case.id),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "case": outcome.case.id,
        "lane": _lane(outcome.lane),
        "verdict": outcome.verdict.value,
        "accepted": outcome.accepted,
        "why": outcome.why,
        "seconds": number(outcome.seconds),
        "attempts": outcome.attempts,
        "findings": [_finding(finding) for finding in outcome.findings],
    }


def _lane(lane: Lane) -> dict[str, str]:
    return {"transport": lane.transport.value, "version": lane.version}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "what": finding.what,
        "tool": finding.tool,
        "sent": held(finding.sent),
        "got": held(finding.got),
    }


def held(data: bytes) -> dict[str, Any] | None:
    """Bytes so that none is lost: as text where all of it can be seen, else as base64; None for none."""
    if not data:
        return None
    text = printable(data)
    return {"size": len(data), **({"base64": b64encode(data).decode()} if text is None else {"text": text})}


def number(seconds: float) -> float | None:
    """Seconds to the millisecond; JSON has no infinity."""
    return round(seconds, 3) if isfinite(seconds) else None
