"""The baseline's file is read back as it was written, and every mistake in it is told in one clear line."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import ConfigurationError
from holdfast_attack.model.outcome import Finding, Report, Verdict
from holdfast_attack.report import baseline
from holdfast_attack.report.accepting import Known, baseline_of
from holdfast_attack.report.harmless import plain

CASES = (
    "paths.parent",
    "wire.deep",
    "leaks.environment",
    "text.ansi",
    "load.memory",
    "wire.half-line",
    "http.origin-foreign",
)
HEAD = 'schema = "holdfast-attack-baseline/1"\n'
ENTRY = '[[accepted]]\ncase = "paths.parent"\nlane = "stdio/legacy"\n'


@pytest.mark.parametrize("name", ["baseline.toml", "baseline.json", "BASELINE.JSON", "baseline"])
@pytest.mark.parametrize("kind", ["report", "hostile_report", "empty"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str, kind: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(kind)
    baseline.write(report, tmp_path / name)
    assert baseline.read(tmp_path / name, CASES) == baseline_of(report)


def test_the_toml_is_made_for_people(report: Report, tmp_path: Path) -> None:
    baseline.write(report, tmp_path / "b.toml")
    text = (tmp_path / "b.toml").read_text("utf-8")
    assert text.startswith("# Findings of `holdfast attack` that are known and accepted")
    assert '\n[[accepted]]\ncase = "paths.parent"\nlane = "stdio/legacy"\ntool = "read_file"\n' in text
    cases = [entry["case"] for entry in tomllib.loads(text)["accepted"]]
    assert cases == sorted(cases)


def test_nothing_hides_in_the_file(make: Any, tmp_path: Path) -> None:
    finding = Finding("bad", make.hostile_text)
    report = make.report(make.outcome(make.case(), verdict=Verdict.FAILED, findings=(finding,)))
    for name in ("b.toml", "b.json"):
        baseline.write(report, tmp_path / name)
        text = (tmp_path / name).read_text("utf-8")
        assert all(map(plain, text.replace("\n", "").replace("\x7f", ""))), name
        assert baseline.read(tmp_path / name, CASES) == baseline_of(report)


def test_a_note_is_for_people_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    file.write_text(HEAD + ENTRY + 'note = "mended in 2.0"\n')
    assert baseline.read(file, CASES).known == {Known("paths.parent", "stdio/legacy")}


def test_a_file_without_entries_accepts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    file.write_text(HEAD)
    assert baseline.read(file, CASES).known == frozenset()


MISTAKES = {
    'schema = "other"': 'it has no schema = "holdfast-attack-baseline/1"',
    "": 'it has no schema = "holdfast-attack-baseline/1"',
    "schema": "it is not TOML: ",
    HEAD + "acepted = []": 'unknown key "acepted"; the keys are schema, accepted',
    HEAD + "accepted = 3": "accepted is a list of at most 20,000 entries",
    HEAD + "accepted = [3]": "accepted entry 1 is no table",
    HEAD + ENTRY + ENTRY + "tol = 'x'": 'accepted entry 2: unknown key "tol"; the keys are case, lane, tool, note',
    HEAD + ENTRY + "tool = 3": "accepted entry 1: tool is text",
    HEAD + ENTRY.replace("parent", "parnet"): (
        'accepted entry 1: unknown case "paths.parnet"; the nearest is paths.parent'
    ),
    HEAD + ENTRY.replace("paths.parent", "\\u001b[31m" * 40): 'accepted entry 1: unknown case "\\x1b[31m',
    HEAD + ENTRY.replace("legacy", "ancient"): (
        'accepted entry 1: lane is one of stdio/legacy, stdio/modern, http/legacy, http/modern, not "stdio/ancient"'
    ),
    HEAD
    + "[[accepted]]\ncase = 'wire.deep'": 'lane is one of stdio/legacy, stdio/modern, http/legacy, http/modern, not ""',
}


@pytest.mark.parametrize("text, told", MISTAKES.items(), ids=range(len(MISTAKES)))
def test_a_mistake_is_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "b.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        baseline.read(file, CASES)
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"the baseline {file} cannot be used: ")
    assert all(map(plain, str(caught.value)))
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "name, data, told",
    [
        ("b.json", b"{", "it is not JSON: "),
        ("b.json", b"[" * 100_000, "it is nested too deeply"),
        ("b.json", b"[]", "it has no schema"),
        ("b.toml", b"\xff", "it is not UTF-8"),
        ("b.toml", b"#" * (baseline.MAX_BYTES + 1), "it is larger than 4,194,304 bytes"),
    ],
)
def test_a_file_that_is_none_is_told_so(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigurationError, match=told):
        baseline.read(tmp_path / name, CASES)


def test_a_file_that_is_missing_or_has_no_name_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        baseline.read(tmp_path / "none.toml", CASES)
    with pytest.raises(ConfigurationError, match="its name holds a NUL"):
        baseline.read(tmp_path / "a\0b", CASES)


def test_a_file_of_an_editor_that_marks_utf_8_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(HEAD + ENTRY, encoding="utf-8-sig")
    assert len(baseline.read(tmp_path / "b.toml", CASES).known) == 1


def test_more_entries_than_anybody_reads_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "MAX_ENTRIES", 2)
    entry = {"case": "paths.parent", "lane": "stdio/legacy"}
    (tmp_path / "b.json").write_text(json.dumps({"schema": baseline.SCHEMA, "accepted": [entry] * 3}))
    with pytest.raises(ConfigurationError, match="at most 2 entries"):
        baseline.read(tmp_path / "b.json", CASES)
