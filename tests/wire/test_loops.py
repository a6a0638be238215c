"""On either loop a process belongs to the call that started it, and every kind of descriptor is served."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.engines import ENGINES, FAST, engine
from support.peers import PATIENCE, StdioPeer, environment, text_of

from holdfast.wire.loops import new_loop

SERVER = Path(__file__).parent / "servers" / "leaving.py"
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
LINES = (
    json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}).encode() + b"\n"
    b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
    b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"engine","arguments":{}}}\n'
)


@pytest.fixture(params=ENGINES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """A server's environment, for each way to run."""
    return engine(request.param, tmp_path)


def test_without_uvloop_it_is_asyncios_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FAST:
        monkeypatch.setitem(sys.modules, name, None)
    loop = new_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()


def test_processes_that_a_call_left_behind_end_with_it(tmp_path: Path, settings: dict[str, str]) -> None:
    with StdioPeer(SERVER, tmp_path / "state", **settings) as peer:
        peer.initialize()
        left = peer.call("offspring")["structuredContent"]["result"]
        assert len(left) == 2
        end = time.monotonic() + PATIENCE
        while any(psutil.pid_exists(pid) for pid in left):
            assert time.monotonic() < end, "a call's process outlives it"
            time.sleep(0.02)
        assert text_of(peer.call("spoken")) == "250000 0"
        assert "Traceback" not in peer.stderr()


def spawn(tmp_path: Path, settings: dict[str, str], source: int, sink: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, str(SERVER), "stdio"]
    own = environment(tmp_path / "state", settings)
    return subprocess.Popen(words, stdin=source, stdout=sink, stderr=subprocess.PIPE, env=own)


def ended(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    with process.stderr:
        assert process.wait(PATIENCE) == 0, process.stderr.read()


def test_a_file_in_and_a_file_out(tmp_path: Path, settings: dict[str, str]) -> None:
    (tmp_path / "in").write_bytes(LINES)
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as sink:
        ended(spawn(tmp_path, settings, source.fileno(), sink.fileno()))
    assert [json.loads(line)["id"] for line in (tmp_path / "out").read_bytes().splitlines()] == [1, 2]


def test_the_null_device(tmp_path: Path, settings: dict[str, str]) -> None:
    with open(os.devnull, "r+b", 0) as nothing:
        ended(spawn(tmp_path, settings, nothing.fileno(), nothing.fileno()))


def test_one_socket_for_both(tmp_path: Path, settings: dict[str, str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = spawn(tmp_path, settings, theirs.fileno(), theirs.fileno())
        theirs.close()
        ours.settimeout(PATIENCE)
        ours.sendall(LINES)
        ours.shutdown(socket.SHUT_WR)
        got = b""
        while part := ours.recv(65_536):
            got += part
        ended(process)
    assert [json.loads(line)["id"] for line in got.splitlines()] == [1, 2]


def test_a_terminal(tmp_path: Path, settings: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    process = spawn(tmp_path, settings, theirs, theirs)
    os.close(theirs)
    os.write(ours, LINES + b"\x04")
    got = b""
    while b'"id":2,"result"' not in got:
        got += os.read(ours, 65_536)
    ended(process)
    os.close(ours)
