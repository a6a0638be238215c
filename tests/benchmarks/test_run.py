"""The benchmark measures, prints ratios, checks every answer, and writes down only what it should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ROOT / "benchmarks" / "servers"
TINY = ("--quick", "--rounds", "1", "--calls", "10")
METRICS = {"sequential", "in_flight", "http_one", "http_many", "initialize", "first", "idle", "loaded"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def variant(folder: Path, name: str, right: str, wrong: str) -> Path:
    """The floor with one thing about it changed."""
    text = (SERVERS / "floor.py").read_text(encoding="utf-8")
    assert right in text
    path = folder / f"{name}.py"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    return path


def test_a_tiny_run_prints_ratios_and_writes_down_what_it_was_told_to(tmp_path: Path) -> None:
    readme, results = tmp_path / "README.md", tmp_path / "deep" / "results.json"
    readme.write_text("before\n<!-- figures: begin -->\nstale figures\n<!-- figures: end -->\nafter\n")
    written_to = ("--json", str(results), "--readme", str(readme))
    ran = run(*TINY, "--only", "holdfast,floor,fastmcp", "--fastmcp", str(tmp_path / "no-python"), *written_to)
    assert ran.returncode == 0, ran.stderr
    assert "SDK low level, bare" in ran.stdout
    assert "1.00x" in ran.stdout
    assert "holdfast, every guard" in ran.stdout
    assert "FastMCP was not measured: " in ran.stdout  # said, never silently dropped
    told = json.loads(results.read_text())
    assert told["figures"].keys() == {"bare", "holdfast", "floor"}
    assert told["not_measured"].keys() == {"fastmcp"}
    for row in told["figures"].values():
        assert row.keys() >= METRICS
        assert all(figure["value"] > 0 and figure["ratio"] > 0 for figure in row.values())
    assert told["figures"]["floor"]["sequential"]["ratio"] < 1
    written = readme.read_text()
    assert written.startswith("before\n<!-- figures: begin -->\nMeasured on ")
    assert written.endswith("<!-- figures: end -->\nafter\n")
    assert "stale" not in written
    assert "FastMCP was not measured: " in written
    assert str(ROOT) not in written + results.read_text()


@pytest.mark.parametrize(
    "right, wrong, reason",
    [
        ("return a + b", "return a + b + (a == 5)", "wrong answer"),
        ('"id": message["id"], "result"', '"id": 1, "result"', "nobody asked for"),
        ("ARGUMENTS.validate_python(message", "sys.exit(message", "went away"),
    ],
    ids=["wrong", "twice", "dead"],
)
def test_a_server_that_answers_wrongly_fails_the_run(tmp_path: Path, right: str, wrong: str, reason: str) -> None:
    liar = variant(tmp_path, "liar", right, wrong)
    ran = run(*TINY, "--only", "liar", "--also", str(liar))
    assert ran.returncode == 1
    assert "liar: " in ran.stderr
    assert reason in ran.stderr
    assert "1.00x" not in ran.stdout


def test_a_wrong_answer_over_http_alone_fails_the_run_too(tmp_path: Path) -> None:
    liar = variant(
        tmp_path, "liar", "reply = await answer(body) or b", "reply = (await answer(body)).replace(b'42', b'43') or b"
    )
    ran = run(*TINY, "--only", "liar", "--also", str(liar))
    assert ran.returncode == 1
    assert "liar: a wrong answer" in ran.stderr


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    ran = run("--only", "nothing")
    assert ran.returncode == 2
    assert "holdfast-readonly" in ran.stderr
