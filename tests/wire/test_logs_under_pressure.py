"""Logs and the audit record of a real server while the disk is full, nobody reads, or the files go away."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import peers
from support.peers import StdioPeer, code_of

from holdfast.observe.chain import verify
from holdfast.observe.pipe import GATHER

SERVER = Path(__file__).parent / "servers" / "ending.py"
SETTINGS = {"HOLDFAST_LIMITS__RATE": "100000/second"}
CALLS = 100


def lines(file: Path) -> list[dict[str, Any]]:
    """Every whole line; what a full disk cut short is none."""
    found = []
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def called(file: Path, key: str = "tool") -> int:
    return sum(line.get(key) == "add" for line in lines(file))


def lost(log: Path) -> int:
    return sum(line["lost"] for line in lines(log) if line["event"].endswith("log records lost"))


def add(peer: StdioPeer, times: int = CALLS) -> list[dict[str, Any]]:
    asked = [peer.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}) for _ in range(times)]
    return [peer.reply(number)["result"] for number in asked]


def full(peer: StdioPeer, limit: int) -> None:
    """No file of the server's grows past ``limit`` bytes: as on a full disk, a write fails."""
    psutil.Process(peer.process.pid).rlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


@pytest.mark.parametrize("fail_open", ["true", "false"])
def test_on_a_full_disk_calls_go_on_and_what_is_lost_is_counted_and_told(fail_open: str, tmp_path: Path) -> None:
    log, audit = tmp_path / "logs" / "log", tmp_path / "audit.jsonl"
    given = {"HOLDFAST_LOG__FILE": str(log), "HOLDFAST_AUDIT__FILE": str(audit)}
    with StdioPeer(SERVER, tmp_path / "state", **SETTINGS, **given, HOLDFAST_AUDIT__FAIL_OPEN=fail_open) as peer:
        peer.initialize()
        assert {answer["structuredContent"]["result"] for answer in add(peer)} == {3}
        until(lambda: called(log) == CALLS)
        full(peer, 10)
        began = time.monotonic()
        answers = add(peer)
        assert time.monotonic() - began < 5, "nobody waits for the disk"
        while time.monotonic() < began + 10 * GATHER:  # the first of their lines have met the full disk by then
            answers += add(peer, 5)
        codes = {code_of(answer) if answer.get("isError") else None for answer in answers}
        assert codes == ({None} if fail_open == "true" else {"audit.unavailable"})
        full(peer, resource.RLIM_INFINITY)
        until(lambda: any(line.get("event") == "audit.resumed" for line in lines(audit)))
        assert {answer["structuredContent"]["result"] for answer in add(peer)} == {3}, "it works again by itself"
        until(lambda: called(log) + lost(log) >= 2 * CALLS + len(answers))
        peer.end_input()
        assert peer.wait() == 0
    assert 0 < lost(log) <= len(answers) + 2, "calls, and perhaps what was said of the audit log meanwhile"
    total = 2 * CALLS + len(answers)
    assert called(log) + lost(log) <= total + 2, "each is written or counted, and none twice"
    assert verify(audit).ok
    missing = sum(line.get("lost", 0) for line in lines(audit) if line.get("event") == "audit.resumed")
    if fail_open == "true":
        assert called(audit) + missing == total, "each call is on the record, or counted"


def test_a_log_that_is_removed_or_moved_away_is_begun_anew_and_nothing_is_lost(tmp_path: Path) -> None:
    log, moved = tmp_path / "logs" / "log", tmp_path / "moved"
    with StdioPeer(SERVER, tmp_path / "state", **SETTINGS, HOLDFAST_LOG__FILE=str(log)) as peer:
        peer.initialize()
        add(peer)
        until(lambda: called(log) == CALLS)
        log.rename(moved)
        add(peer)
        until(lambda: called(log) == CALLS)
        shutil.rmtree(log.parent)
        add(peer)
        until(lambda: called(log) == CALLS)
        assert called(moved) == CALLS
        assert not any("lost" in line for line in lines(log))


def test_a_stderr_that_nobody_reads_and_then_closes_costs_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = os.pipe()
    popen = subprocess.Popen
    monkeypatch.setattr(peers.subprocess, "Popen", lambda *words, **more: popen(*words, **{**more, "stderr": theirs}))
    with StdioPeer(SERVER, tmp_path / "state", **SETTINGS) as peer:
        os.close(theirs)
        peer.initialize()
        began = time.monotonic()
        for _ in range(3):
            assert peer.call("shout", size=200_000)["structuredContent"] == {"result": 200_000}
        assert {answer["structuredContent"]["result"] for answer in add(peer)} == {3}
        assert time.monotonic() - began < 5
        said = os.read(ours, 1_000_000)
        while b"were printed here are lost" not in said:
            peer.call("shout", size=10)
            said += os.read(ours, 1_000_000)
        os.close(ours)
        assert peer.call("shout", size=200_000)["structuredContent"] == {"result": 200_000}
        assert {answer["structuredContent"]["result"] for answer in add(peer)} == {3}
        peer.end_input()
        assert peer.wait() == 0
        assert peer.garbage == []
