"""Findings as text, JSON and SARIF, read back by programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from holdfast.lint.catalogue import checks
from holdfast.lint.finding import Finding, Place, at_least
from holdfast.lint.report import as_json, counts, lines, summary
from holdfast.lint.sarif import as_sarif


def closed(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, "properties": properties, **needed}


LINE = {"type": "integer", "minimum": 1}
WORD = {"type": "string"}
LEVEL = {"enum": ["none", "note", "warning", "error"], "type": "string"}
RULE = closed(
    ("id",),
    id=WORD,
    name=WORD,
    **dict.fromkeys(("shortDescription", "fullDescription", "help"), closed(("text",), text=WORD, markdown=WORD)),
    helpUri={"type": "string", "format": "uri"},
    defaultConfiguration=closed((), level=LEVEL),
)
REGION = closed((), startLine=LINE, startColumn=LINE, endLine=LINE, endColumn=LINE) | {
    "anyOf": [{"required": ["startLine"]}, {"required": ["charOffset"]}, {"required": ["byteOffset"]}]
}
PHYSICAL = closed(
    (), artifactLocation=closed((), uri={"type": "string", "format": "uri-reference"}, uriBaseId=WORD), region=REGION
) | {"anyOf": [{"required": ["address"]}, {"required": ["artifactLocation"]}]}
RESULT = closed(
    ("message",),
    ruleId=WORD,
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=closed((), text=WORD, markdown=WORD) | {"anyOf": [{"required": ["text"]}, {"required": ["id"]}]},
    locations={"type": "array", "items": closed((), physicalLocation=PHYSICAL)},
    partialFingerprints={"type": "object", "additionalProperties": WORD},
)
DRIVER = closed(
    ("name",),
    name=WORD,
    version=WORD,
    informationUri={"type": "string", "format": "uri"},
    rules={"type": "array", "uniqueItems": True, "items": RULE},
)
RUN = closed(
    ("tool",),
    tool=closed(("driver",), driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"], "type": "string"},
    results={"type": "array", "items": RESULT},
)
SARIF: dict[str, Any] = {"$schema": "http://json-schema.org/draft-04/schema#"} | closed(
    ("version", "runs"),
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"enum": ["2.1.0"], "type": "string"},
    runs={"type": ["array", "null"], "items": RUN},
)
"""What the official schema (sarif-schema-2.1.0.json) asks of the parts that are written here."""
CASE = 'KEY = "é"; print(KEY)\n\n\n@server.tool\nasync def it(path: str) -> str:\n    return path\n'

Look = Callable[..., list[Finding]]


def test_sarif_is_what_the_standard_asks_for(look: Look, tmp_path: Path) -> None:
    found = look(CASE)
    log = json.loads(as_sarif(found, tmp_path, "1.2.3"))
    validator = jsonschema_rs.validator_for(SARIF, validate_formats=True)
    assert [error.message for error in validator.iter_errors(log)] == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(checks())
    assert len(run["results"]) == len(found) > 3
    for result, finding in zip(run["results"], found, strict=True):
        rule = rules[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"] == finding.code
        assert "helpUri" not in rule
        assert rule["help"]["markdown"].startswith(f"# {finding.code}: ")
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == finding.place.file.name
        assert place["region"] == {"startLine": finding.place.line, "startColumn": finding.place.column}


def test_a_message_holds_no_placeholder_and_no_link(tmp_path: Path) -> None:
    finding = Finding("HF405", 'it says "{0} ![x](https://example.com/{data})"', Place(tmp_path / "x.py"))
    log: Any = json.loads(as_sarif([finding], tmp_path, "1"))
    text = log["runs"][0]["results"][0]["message"]["text"]
    assert text.startswith('it says "{{0}} ![x] (https://example.com/{{data}})". ')


@pytest.mark.skipif(sys.platform == "win32", reason="names of files are text there")
def test_a_file_whose_name_is_no_text_is_named_all_the_same(tmp_path: Path) -> None:
    finding = Finding("HF101", "x", Place(tmp_path / "a\udcff.py"))
    log: Any = json.loads(as_sarif([finding], tmp_path, "1"))
    assert log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%FF.py"


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
