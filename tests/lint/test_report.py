"""Findings as text, JSON and SARIF, read back by programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from holdfast.lint.catalogue import checks
from holdfast.lint.finding import Finding, Place, at_least
from holdfast.lint.report import as_json, counts, lines, summary
from holdfast.lint.sarif import as_sarif

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "shortDescription": TEXT,
        "fullDescription": TEXT,
        "help": TEXT,
        "helpUri": {"type": "string"},
        "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}},
    },
}
REGION = {
    "type": "object",
    "properties": {key: {"type": "integer", "minimum": 1} for key in ("startLine", "startColumn")},
}
LOCATION = {
    "type": "object",
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                },
                "region": REGION,
            },
        }
    },
}
RESULT = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": -1},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "items": LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"enum": ["2.1.0"]},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"name": {"type": "string"}, "rules": {"type": "array", "items": RULE}},
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
    "additionalProperties": False,
}
"""What the official schema (sarif-schema-2.1.0.json) asks of the parts that are written here."""
CASE = 'KEY = "é"; print(KEY)\n\n\n@server.tool\nasync def it(path: str) -> str:\n    return path\n'

Look = Callable[..., list[Finding]]


def test_sarif_is_what_the_standard_asks_for(look: Look, tmp_path: Path) -> None:
    found = look(CASE)
    log = json.loads(as_sarif(found, tmp_path, "1.2.3"))
    validator = jsonschema_rs.validator_for(SARIF)
    assert [error.message for error in validator.iter_errors(log)] == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(checks())
    assert len(run["results"]) == len(found) > 3
    for result, finding in zip(run["results"], found, strict=True):
        rule = rules[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"] == finding.code
        assert rule["helpUri"] == f"docs/checks/{finding.code}.md"
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == finding.place.file.name
        assert place["region"] == {"startLine": finding.place.line, "startColumn": finding.place.column}


def test_columns_are_characters_not_bytes(look: Look) -> None:
    (found,) = [item for item in look(CASE) if item.code == "HF601"]
    line = found.place.file.read_text(encoding="utf-8").splitlines()[found.place.line - 1]
    assert line[found.place.column - 1 :] == "print(KEY)"


def test_a_file_elsewhere_is_named_by_its_uri(tmp_path: Path) -> None:
    finding = Finding("HF101", "x", Place(tmp_path / "a b.py"))
    log: Any = json.loads(as_sarif([finding], tmp_path / "other", "1"))
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("file:///")
    assert uri.endswith("a%20b.py")
    near: Any = json.loads(as_sarif([finding], tmp_path, "1"))
    assert near["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b.py"


def test_json_has_every_finding_with_its_place(look: Look, tmp_path: Path) -> None:
    found = look(CASE)
    held = json.loads(as_json(found, tmp_path, "example"))
    assert held["server"] == "example"
    assert held["counts"] == counts(found)
    assert [(item["code"], item["line"], item["file"]) for item in held["findings"]] == [
        (item.code, item.place.line, item.place.file.name) for item in found
    ]


def test_text_holds_no_control_characters_and_one_line_each(tmp_path: Path) -> None:
    finding = Finding("HF405", "a\x1b[31mb\nc", Place(tmp_path / "x\ny.py", 3, 4))
    ((place, what, words),) = lines([finding], tmp_path)
    assert (place, what) == ("x y.py:3:4", "error HF405")
    assert words.startswith("ab c. ")


@pytest.mark.parametrize(
    "given, text",
    [([], "no findings in x"), (["HF101"], "1 warning in x"), (["HF110", "HF110", "HF106"], "2 errors, 1 note in x")],
)
def test_the_summary_counts_the_gravest_first(given: list[str], text: str, tmp_path: Path) -> None:
    assert summary([Finding(code, "x", Place(tmp_path)) for code in given], "x") == text


def test_levels_are_in_order(tmp_path: Path) -> None:
    found = [Finding(code, "x", Place(tmp_path)) for code in ("HF106", "HF101", "HF110")]
    assert [len(at_least(found, level)) for level in ("note", "warning", "error")] == [3, 2, 1]  # type: ignore[arg-type]
