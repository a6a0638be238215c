"""How long each server takes to its first answer, and its memory then: the same few seconds for all, in turn."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import psutil
from compare_subjects import STDIO, Compared

ROUNDS = 5
PATIENCE = 60.0
GOODBYE = 10.0
HELLO = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "compare", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
)
"""Up to the list of the tools: from then on a client can work."""


@dataclass(frozen=True, slots=True)
class Start:
    """Medians: seconds from the start of the process to the list of its tools, and MiB of its processes then."""

    seconds: float
    memory: float


def starts(chosen: Iterable[Compared], rounds: int = ROUNDS) -> dict[str, Start]:
    """Each server ``rounds`` times over stdio, all of them in each round; one round before is not counted."""
    measured: dict[str, list[Start]] = {}
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        environment = _world(folder)
        for number in range(rounds + 1):
            for each in chosen:
                words = [word.replace("{workspace}", str(folder / "workspace")) for word in each.command(STDIO)]
                start = _once(words, folder / "workspace", environment)
                if number:
                    measured.setdefault(each.name, []).append(start)
    return {name: _median(found) for name, found in measured.items()}


def _median(found: list[Start]) -> Start:
    return Start(statistics.median(one.seconds for one in found), statistics.median(one.memory for one in found))


def as_plain(found: dict[str, Start]) -> dict[str, Any]:
    """For a JSON file."""
    return {name: asdict(start) for name, start in found.items()}


def _world(folder: Path) -> dict[str, str]:
    """A workspace that is a repository, and a database; returns the environment of the servers."""
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "hello.txt").write_text("hello\n")
    sqlite3.connect(folder / "database.sqlite").close()
    author = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
    for words in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", *words], cwd=workspace, check=True, capture_output=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "FASTMCP_"))}
    return clean | {
        "HOLDFAST_WORKSPACE": str(workspace),
        "HOLDFAST_DATABASE": str(folder / "database.sqlite"),
        "HOLDFAST_STATE": str(folder / "state"),
    }


def _once(words: list[str], folder: Path, environment: dict[str, str]) -> Start:
    begun = time.perf_counter()
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    late = Timer(PATIENCE, process.kill)  # which ends the wait for its answer
    late.start()
    try:
        assert process.stdin is not None  # noqa: S101 - asked for above
        assert process.stdout is not None  # noqa: S101 - asked for above
        process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in HELLO))
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith(b"{") and json.loads(line).get("id") == 2:
                break
        else:
            raise RuntimeError(f"{words[-1]} ended before it listed its tools")
        return Start(time.perf_counter() - begun, _memory(process.pid))
    finally:
        late.cancel()
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """By closing its input; killed when it does not take the hint."""
    try:
        process.communicate(timeout=GOODBYE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _memory(pid: int) -> float:
    """MiB of a process and its children."""
    whole = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                whole += process.memory_info().rss
    return whole / 2**20
