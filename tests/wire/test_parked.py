"""A client that reads nothing, asks until nothing more is read from it, and leaves: the server ends all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.peers import UNMEASURED, environment

SERVER = """
from holdfast import Server

server = Server("parked")

@server.tool(read_only=True)
async def echo(text: str) -> str:
    return text

if __name__ == "__main__":
    server.main()
"""
BIG = "x" * 100_000
STILL = 1.0
"""Seconds without a byte taken after which a server has stopped reading; it takes the next within microseconds."""
PATIENCE = 20.0
"""Seconds for a clean end, which takes two; the fault was to stay for ever."""
FILL = {"HOLDFAST_LIMITS__RATE": "100000/second", "HOLDFAST_LIMITS__IN_FLIGHT": "100000"}


def request(number: int, method: str, params: dict[str, object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


def written_until_full(fd: int) -> int:
    """Calls written until the server reads no more."""
    os.set_blocking(fd, False)
    number, last = 10, time.monotonic()
    while True:
        left = request(number, "tools/call", {"name": "echo", "arguments": {"text": BIG}})
        while left:
            try:
                left = left[os.write(fd, left) :]
                last = time.monotonic()
            except BlockingIOError:
                if time.monotonic() - last > STILL:
                    return number
                time.sleep(0.005)
        number += 1


@pytest.mark.parametrize("words", [[], ["-m", "holdfast.cli", "run"]], ids=["alone", "supervised"])
def test_a_server_whose_answers_nobody_takes_ends_when_its_client_has_left(words: list[str], tmp_path: Path) -> None:
    """More was written than it holds, so the end of its input stands behind what it has not read."""
    script = tmp_path / "parked.py"
    script.write_text(SERVER)
    process = subprocess.Popen(
        [sys.executable, *words, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(tmp_path / "state", FILL | UNMEASURED),
        bufsize=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        os.write(process.stdin.fileno(), request(0, "initialize", hello))
        process.stdout.readline()
        os.write(process.stdin.fileno(), b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        assert written_until_full(process.stdin.fileno()) * len(BIG) > 16 * 2**20
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
