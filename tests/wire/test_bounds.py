"""What a client can make a server hold over a pipe: little of a huge line, few of many calls, no answers unread."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.engines import ENGINES, engine
from support.peers import PATIENCE, UNMEASURED, StdioPeer, code_of, environment, text_of

SERVER = Path(__file__).parent / "servers" / "hostile.py"
MB = 1024 * 1024
LEAVING = SERVER.with_name("leaving.py")
DRAIN = 3
"""Seconds that calls in flight get at the end (``stdio.drain``); nobody reads the answer of one here."""
CALLS = 20_000 if "LOAD_SECONDS" in os.environ else 4_000
PLACES = 16 + 64
"""Calls of one tool that run and that wait, unless somebody sets other limits."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")


@pytest.fixture(params=ENGINES)
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StdioPeer]:
    """A server on each loop that the test may end."""
    with StdioPeer(SERVER, tmp_path / "state", **engine(request.param, tmp_path), **UNMEASURED) as peer:
        peer.initialize()
        text_of(peer.call("add", a=1, b=1))
        yield peer


def status_of(pid: int, what: str) -> int:
    """A number of bytes from the kernel's own account: VmRSS now, VmHWM the most since ``forget_peak``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) * 1024


@contextmanager
def costing(pid: int, most: int) -> Iterator[None]:
    """What happens within takes at most so many bytes more, at any time."""
    before = status_of(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is counted anew (proc(5))
    yield
    grown = status_of(pid, "VmHWM") - before
    assert grown < most, f"grew by {grown / MB:.0f} MB"


def test_a_line_of_256_mb_costs_next_to_nothing_and_is_refused_under_its_id(peer: StdioPeer) -> None:
    chunk = b"x" * MB
    with costing(peer.process.pid, 20 * MB):
        peer.send_raw(b'{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"echo","arguments":{"text":"')
        for _ in range(256):
            peer.send_raw(chunk)
        peer.send_raw(b'"}}}\n')
        answer = peer.reply(99)
        assert answer["error"]["code"] == -32700
        assert "bytes" in answer["error"]["message"]
        assert text_of(peer.call("add", a=2, b=40)) == "42"


@pytest.mark.parametrize("kind", ENGINES)
def test_of_thousands_of_calls_that_never_end_all_but_a_few_are_refused_at_once(kind: str, tmp_path: Path) -> None:
    with StdioPeer(LEAVING, tmp_path / "state", **engine(kind, tmp_path), **UNMEASURED) as peer:
        peer.initialize()
        flooded(peer)


def flooded(peer: StdioPeer) -> None:
    first = peer._number + 1
    numbers = range(first, first + CALLS)
    peer._number += CALLS
    params = {"name": "endless", "arguments": {}}
    with costing(peer.process.pid, 60 * MB):
        for begin in range(0, CALLS, 500):
            lines = [
                {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
                for number in numbers[begin : begin + 500]
            ]
            peer.send_raw(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        refused = [peer.reply(number, 120)["result"] for number in numbers[PLACES:]]
        assert text_of(peer.call("add", a=2, b=40)) == "42"
    assert {code_of(result) for result in refused} == {"busy"}
    assert all(result["_meta"]["io.holdfast/retryable"] for result in refused)
    assert all(number not in peer._replies for number in numbers[:PLACES]), "those that have a place keep it"
    begun = time.monotonic()
    peer.end_input()
    assert peer.wait() == 0
    assert time.monotonic() - begun < 4


class Silent:
    """A client that sends and does not read, neither answers nor the log."""

    def __init__(self, base: Path, **settings: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), "stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(base / "state", {"HOLDFAST_LIMITS__RATE": "1000000/second", **settings, **UNMEASURED}),
        )

    def __enter__(self) -> Silent:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        self.send({"id": 0, "method": "initialize", "params": hello})
        assert b'"result"' in self.line()
        self.send({"method": "notifications/initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def send(self, *messages: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(json.dumps({"jsonrpc": "2.0", **one}).encode() + b"\n" for one in messages))
        self.process.stdin.flush()

    def call(self, number: int, tool: str, **arguments: Any) -> None:
        self.send({"id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})

    def line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def leave(self, most: float) -> None:
        assert self.process.stdin is not None
        begun = time.monotonic()
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        assert time.monotonic() - begun < most


@pytest.mark.parametrize("kind", ENGINES)
def test_answers_that_nobody_reads_are_not_piled_up(kind: str, tmp_path: Path) -> None:
    settings = {"HOLDFAST_LIMITS__OUTPUT": "8000000", **engine(kind, tmp_path)}
    with Silent(tmp_path, **settings) as client:
        with costing(client.process.pid, 200 * MB):  # of 500 MB that were asked for
            for number in range(1, 101):
                client.call(number, "big", size=5_000_000)
            settled(client.process.pid)
        client.leave(DRAIN + 2)


def settled(pid: int) -> None:
    """Wait until a process has stopped working."""
    idle, before = 0, -1
    end = time.monotonic() + PATIENCE
    while idle < 5 and time.monotonic() < end:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used = int(fields[11]) + int(fields[12])
        idle, before = (idle + 1 if used - before <= 1 else 0), used
        time.sleep(0.1)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_log_that_nobody_reads_holds_up_no_call(kind: str, tmp_path: Path) -> None:
    settings = {"HOLDFAST_LOG__LEVEL": "debug", **engine(kind, tmp_path)}
    with Silent(tmp_path, **settings) as client:
        for number in range(1, 401):
            client.call(number, "boom", why="x" * 500)
            assert json.loads(client.line())["result"]["isError"]
        client.leave(5)


GARBAGE = (
    b"\x00" * 100 + b"\n",
    b"{\n",
    b"[" * 1_000 + b"\n",
    b"\n",
    b'{"id":1}\n',
    os.urandom(500).replace(b"\n", b"") + b"\n",
)


def test_a_flood_of_garbage_is_neither_held_nor_answered_line_by_line(peer: StdioPeer) -> None:
    flood = b"".join(GARBAGE * 500)
    answers: list[Any] = []
    peer._replies = Counting(answers)  # type: ignore[assignment]
    begun = time.monotonic()
    with costing(peer.process.pid, 40 * MB):
        for _ in range(20):
            peer.send_raw(flood)
        assert text_of(peer.call("add", 60, a=2, b=40)) == "42"
    assert 1 < len(answers) <= 100 * (time.monotonic() - begun + 2), "a hundred a second are told so"


class Counting(dict[Any, Any]):
    """Notes the errors that come without an id."""

    def __init__(self, answers: list[Any]) -> None:
        super().__init__()
        self._answers = answers

    def __setitem__(self, key: Any, value: Any) -> None:
        if key in (None, 1):
            self._answers.append(value)
        else:
            super().__setitem__(key, value)


def test_a_writer_that_stops_in_the_middle_of_a_line_keeps_nobody(peer: StdioPeer) -> None:
    number = peer.request("tools/call", {"name": "add", "arguments": {"a": 2, "b": 40}})
    peer.send_raw(b'{"jsonrpc":"2.0","id":5,"met')
    assert text_of(peer.reply(number)["result"]) == "42"
    threading.Timer(0.05, peer.end_input).start()
    assert peer.wait() == 0
