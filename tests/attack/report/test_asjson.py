"""The JSON report holds everything, in the schema that its module documents."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import jsonschema_rs
import pytest

from holdfast_attack.model.outcome import Finding, Report, Verdict
from holdfast_attack.report.asjson import as_json, document, held, number


def fields(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def items(kind: Any) -> dict[str, Any]:
    return {"type": "array", "items": kind}


TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
SECONDS = {"type": ["number", "null"]}
SEVERITY = {"enum": ["advice", "low", "medium", "high", "critical"]}
LANE = fields(transport={"enum": ["stdio", "http"]}, version=TEXT)
BYTES = {"oneOf": [{"type": "null"}, fields(size=COUNT, text=TEXT), fields(size=COUNT, base64=TEXT)]}
FINDING = fields(what=TEXT, tool={"type": ["string", "null"]}, sent=BYTES, got=BYTES)
COUNTS = ("passed", "failed", "advice", "not_applicable", "inconclusive", "accepted", "weight_passed", "weight_failed")
ROW = fields(
    **{"class": TEXT}, **dict.fromkeys(COUNTS, COUNT), score={"type": ["number", "null"], "minimum": 0, "maximum": 1}
)
CASE = fields(
    **{"class": TEXT},
    title=TEXT,
    severity=SEVERITY,
    weight=COUNT,
    sends=TEXT,
    sound=TEXT,
    reference=fields(backing={"enum": ["spec", "advisory", "measurement", "taste"]}, text=TEXT),
    remedy=TEXT,
    transports=items({"enum": ["stdio", "http"]}),
    eras={"enum": ["each", "once", "legacy", "modern"]},
    profile={"enum": ["quick", "full"]},
    advisories=items(TEXT),
    reproduce=TEXT,
)
SCHEMA = fields(
    schema={"const": "holdfast-attack/1"},
    tool=fields(name={"const": "holdfast attack"}, version=TEXT),
    subject=fields(
        label=TEXT, command=items(TEXT), url=TEXT, name=TEXT, version=TEXT, versions=items(TEXT), tools=COUNT
    ),
    run=fields(
        profile={"enum": ["quick", "full"]},
        seed={"type": "integer"},
        began=TEXT,
        seconds=SECONDS,
        limit=SECONDS,
        reproduce=TEXT,
        notes=items(TEXT),
        environment={"type": "object", "additionalProperties": TEXT},
        lanes=items(LANE),
    ),
    scorecard=fields(classes=items(ROW), all=ROW),
    cases={"type": "object", "additionalProperties": CASE},
    outcomes=items(
        fields(
            case=TEXT,
            lane=LANE,
            verdict={"enum": ["passed", "failed", "advice", "not applicable", "inconclusive"]},
            accepted={"type": "boolean"},
            why=TEXT,
            seconds=SECONDS,
            attempts=COUNT,
            findings=items(FINDING),
        )
    ),
)


@pytest.mark.parametrize("kind", ["report", "hostile_report", "empty"])
def test_every_report_fits_the_documented_schema(kind: str, request: pytest.FixtureRequest) -> None:
    given = json.loads(as_json(request.getfixturevalue(kind)))
    jsonschema_rs.validator_for(SCHEMA).validate(given)


def test_everything_is_in_it(report: Report) -> None:
    told = document(report)
    assert len(told["outcomes"]) == len(report.outcomes)
    assert set(told["cases"]) == {outcome.case.id for outcome in report.outcomes}
    failed = next(one for one in told["outcomes"] if one["case"] == "paths.parent")
    assert failed["lane"] == {"transport": "stdio", "version": "2025-11-25"}
    assert [finding["tool"] for finding in failed["findings"]] == ["read_file", "search_files"]
    assert told["cases"]["paths.parent"]["reproduce"].endswith("--case paths.parent -- python examples/workspace.py")
    assert told["scorecard"]["all"]["failed"] == 5
    assert [row["class"] for row in told["scorecard"]["classes"]][:2] == ["hygiene", "schema"]
    assert told["run"]["seconds"] == 23.4


def test_the_file_is_ascii_that_no_terminal_obeys(hostile_report: Report) -> None:
    text = as_json(hostile_report)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert text.endswith("}\n")


def test_no_lone_surrogate_is_written_that_a_strict_reader_refuses(hostile_report: Report) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, str):
            value.encode("utf-8")
        for each in value.items() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
            walk(each)

    walk(json.loads(as_json(hostile_report)))


def test_bytes_are_never_lost(make: Any) -> None:
    assert held(b"") is None
    assert held('{"é": 1}\n'.encode()) == {"size": 10, "text": '{"é": 1}\n'}
    told = held(make.hostile_bytes)
    assert told is not None
    assert b64decode(told["base64"]) == make.hostile_bytes
    assert told["size"] == len(make.hostile_bytes)
    assert "text" not in told


def test_no_number_is_written_that_json_does_not_know(make: Any) -> None:
    assert number(1.23456) == 1.235
    assert number(float("inf")) is None
    assert number(float("nan")) is None
    outcome = make.outcome(make.case(), verdict=Verdict.FAILED, findings=(Finding("x"),), seconds=float("nan"))
    assert json.loads(as_json(make.report(outcome, limit=float("inf"))))["run"]["limit"] is None
