"""The benchmark measures, prints ratios, checks every answer, and writes down only what it should."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.peers import UNMEASURED

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ROOT / "benchmarks" / "servers"
TINY = ("--quick", "--calls", "10")
BARE_AND_HOLDFAST = {"sequential", "in_flight", "http_one", "http_many", "legacy_one", "legacy_many", "start", "idle"}
PAYLOADS = {f"payload_{wire}_{size}" for wire in ("stdio", "http") for size in (100, 10_000, 1_000_000)}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env=os.environ | UNMEASURED,
    )


def variant(folder: Path, name: str, right: str, wrong: str, of: str = "floor") -> Path:
    """A server with one thing about it changed."""
    text = (SERVERS / f"{of}.py").read_text(encoding="utf-8")
    assert right in text
    path = folder / f"{name}.py"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    return path


def test_a_tiny_run_prints_ratios_and_bars_and_writes_down_what_it_was_told_to(tmp_path: Path) -> None:
    readme, results, plot = tmp_path / "README.md", tmp_path / "deep" / "results.json", tmp_path / "deep" / "plot.svg"
    readme.write_text("before\n<!-- figures: begin -->\nstale figures\n<!-- figures: end -->\nafter\n")
    written_to = ("--json", str(results), "--readme", str(readme), "--svg", str(plot))
    servers = "holdfast,floor,fastmcp,start,stdio,http,legacy,payloads"
    ran = run(*TINY, "--only", servers, "--fastmcp", str(tmp_path / "no-python"), *written_to)
    assert ran.returncode == 0, ran.stderr
    assert "SDK low level, bare" in ran.stdout
    assert "1.00x" in ran.stdout
    assert "holdfast, every guard" in ran.stdout
    assert "FastMCP was not measured: " in ran.stdout  # said, never silently dropped
    assert "(bar 0.25, stretch 0.15): " in ran.stdout
    told = json.loads(results.read_text())
    assert told["figures"].keys() == {"bare", "holdfast", "floor"}
    assert told["not_measured"].keys() == {"fastmcp"}
    for row in told["figures"].values():
        assert row.keys() >= BARE_AND_HOLDFAST | PAYLOADS
        assert all(figure["value"] > 0 and figure["ratio"] > 0 for figure in row.values())
    assert told["figures"]["floor"]["sequential"]["ratio"] < 1
    written = readme.read_text()
    assert written.startswith("before\n<!-- figures: begin -->\nMeasured on ")
    assert written.endswith("<!-- figures: end -->\nafter\n")
    assert "stale" not in written
    assert "FastMCP was not measured: " in written
    assert "](deep/plot.svg)" in written
    assert "holdfast, every guard" in plot.read_text()
    assert str(ROOT) not in written + results.read_text() + plot.read_text()


def test_growth_guards_and_stages_are_measured_in_holdfast_alone(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    ran = run(*TINY, "--only", "holdfast,inside,growth", "--json", str(results))
    assert ran.returncode == 0, ran.stderr
    laps = json.loads(results.read_text())["laps"]
    assert {"tools_1", "tools_1000", "principals_1", "principals_100000", "waiting_1", "waiting_1000"} <= laps.keys()
    assert {"handler", "chain", "chain_readonly", "stage_parse", "stage_encode", "calibration"} <= laps.keys()
    assert {"alone_rate", "without_rate", "alone_egress", "without_observe"} <= laps.keys()
    assert "Each guard of the default chain" in ran.stdout


def test_a_server_without_guards_that_still_guards_fails_the_run(tmp_path: Path) -> None:
    liar = variant(tmp_path, "liar", "            live.handle = handle\n", "", of="unguarded")
    ran = run(*TINY, "--only", "liar,stdio", "--also", str(liar))
    assert ran.returncode == 1
    assert "liar: a wrong answer" in ran.stderr


@pytest.mark.parametrize(
    "right, wrong, reason",
    [
        ("return a + b", "return a + b + (a == 5)", "wrong answer"),
        ('"id": message["id"], "result"', '"id": 0, "result"', "nobody asked for"),
        ("await tool(**model", "sys.exit(**model", "went away"),
        ('"tools": [{"name": name', '"tools": [{"name": "no" + name', "not listed"),
        ('"protocolVersion": "2025-11-25"', '"protocolVersion": "2024-11-05"', "does not speak"),
        ("    return text", '    return text[:-1] + "?"', "wrong answer"),
    ],
    ids=["wrong", "twice", "dead", "unlisted", "other era", "altered"],
)
def test_a_server_that_answers_wrongly_fails_the_run(tmp_path: Path, right: str, wrong: str, reason: str) -> None:
    liar = variant(tmp_path, "liar", right, wrong)
    ran = run(*TINY, "--only", "liar,stdio,payloads", "--also", str(liar))
    assert ran.returncode == 1
    assert "liar: " in ran.stderr
    assert reason in ran.stderr
    assert "1.00x" not in ran.stdout


@pytest.mark.parametrize("group", ["http", "legacy"])
def test_a_wrong_answer_over_http_alone_fails_the_run_too(tmp_path: Path, group: str) -> None:
    liar = variant(
        tmp_path, "liar", "reply = await answer(body) or b", "reply = (await answer(body)).replace(b'42', b'43') or b"
    )
    ran = run(*TINY, "--only", f"liar,{group}", "--also", str(liar))
    assert ran.returncode == 1
    assert "liar: a wrong answer" in ran.stderr


@pytest.mark.parametrize("recorded, status", [(0.01, 1), (1000.0, 0)], ids=["slower", "faster"])
def test_a_check_fails_when_the_record_was_faster_and_says_where(tmp_path: Path, recorded: float, status: int) -> None:
    record = tmp_path / "2026-01-01.json"
    record.write_text(json.dumps({"laps": {"sequential": {"bare": [1.0], "holdfast": [recorded]}}}))
    ran = run("--check", "--rounds", "1", "--calls", "10", "--only", "holdfast,stdio", "--against", str(record))
    assert ran.returncode == status, ran.stderr
    assert ("holdfast, stdio, one at a time: " in ran.stdout) == (status == 1)
    assert str(tmp_path) not in ran.stdout


def test_a_check_without_a_record_says_what_is_missing(tmp_path: Path) -> None:
    ran = run("--check", "--against", str(tmp_path / "none.json"))
    assert ran.returncode == 2
    assert "none.json cannot be read" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_every_server_and_writes_nothing(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *TINY, "--only", "floor,http,growth"]
    results = tmp_path / "results.json"
    command += ["--json", str(results)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | UNMEASURED) as running:
        whole = psutil.Process(running.pid)
        while not (children := whole.children(recursive=True)):
            os.sched_yield()
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert psutil.wait_procs(children, timeout=5)[1] == []  # whoever inherited a dead one may take a moment to see it
    assert not results.exists()


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    ran = run("--only", "nothing")
    assert ran.returncode == 2
    assert "holdfast-readonly" in ran.stderr
    assert "growth" in ran.stderr
