"""A real server behind its supervisor, and a client that sees every line it writes."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

GUARDIAN = "holdfast-guard"
PATIENCE = 60.0 if os.environ.get("SOAK") else 30.0
"""Seconds that a test waits for what must come, on a machine that has other things to do."""
GOODBYE = 2.0
"""Seconds that all of them have to end by themselves when a test is over."""
SERVER = '''
import asyncio, ctypes, os, signal, subprocess, sys, time
from holdfast import Context, Limits, Server

server = Server("kept")
wide = Limits(rate="1000000/second", concurrency=100, queue=500, timeout=20)

@server.tool(read_only=True, limits=wide)
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b

@server.tool(read_only=True, limits=wide)
async def nap(seconds: float) -> int:
    """Sleep, and tell who did."""
    await asyncio.sleep(seconds)
    return os.getpid()

@server.tool(limits=wide)
async def write(text: str, seconds: float = 0.0) -> str:
    """Append a line to a file, once."""
    with open(os.environ["SIDE"], "a") as file:
        file.write(text + "\\n")
    await asyncio.sleep(seconds)
    return text

@server.tool(read_only=True, limits=wide)
async def large(size: int) -> str:
    """Much text."""
    return "x" * size

@server.tool(idempotent=True, limits=wide)
async def leave(how: str) -> str:
    """End the process."""
    if how == "exit":
        os._exit(3)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "spin":
        sum(range(10**12))
    return "still here"

@server.tool(read_only=True, limits=wide)
async def spawn() -> int:
    """Start a process in a session of its own."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True).pid
'''


class Kept:
    """The client: answers by their ids, each seen once."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        self.process = process
        self.errors = errors
        self.news: list[dict[str, Any]] = []
        self.torn: list[bytes] = []
        self.twice: list[Any] = []
        self._seen: set[Any] = set()
        self._waiting: dict[Any, queue.SimpleQueue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _lines(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        yield from self.process.stdout

    def _read(self) -> None:
        for line in self._lines():
            try:
                message = json.loads(line)
            except ValueError:
                self.torn.append(line)
                continue
            number = message.get("id")
            if number is None:
                self.news.append(message)
            elif number in self._seen:
                self.twice.append(number)
            else:
                self._seen.add(number)
                self._waiting[number].put(message)

    def send(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a request; its id."""
        with self._lock:
            self._number += 1
            number = self._number
            self._waiting[number] = queue.SimpleQueue()
            self.write({"id": number, "method": method, "params": params or {}})
        return number

    def write(self, message: Mapping[str, Any]) -> None:
        """Send any message."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def begin(self, tool: str, /, **arguments: Any) -> int:
        """Begin a call; its id."""
        return self.send("tools/call", {"name": tool, "arguments": arguments})

    def answer(self, number: int) -> dict[str, Any]:
        """The answer to a request."""
        return self._waiting[number].get(timeout=PATIENCE)

    def call(self, tool: str, /, **arguments: Any) -> Any:
        """What a call gives."""
        return self.value(self.begin(tool, **arguments))

    def value(self, number: int) -> Any:
        """What an answered call gave: its structured result or its text, or the whole answer when it failed."""
        answer = self.answer(number)
        result = answer.get("result", {})
        if result.get("isError") or not result.get("content"):
            return answer
        return result.get("structuredContent", {"result": result["content"][0].get("text")})["result"]

    def open(self) -> None:
        """Shake hands."""
        client = {"name": "test", "version": "1"}
        self.answer(
            self.send("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        )
        self.write({"method": "notifications/initialized"})

    def workers(self) -> list[int]:
        """The supervisor's children, the eldest first: the worker, and its spare."""
        return [pid for pid in self.children() if name_of(pid) != GUARDIAN]

    def guardian(self) -> int:
        """Who ends what a killed supervisor leaves."""
        (found,) = (pid for pid in self.children() if name_of(pid) == GUARDIAN)
        return found

    def children(self) -> list[int]:
        """All processes that the supervisor has started itself, or adopted."""
        pid = self.process.pid
        with suppress(OSError):
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def worker(self) -> int:
        """Who serves."""
        return int(self.call("nap", seconds=0))

    def spared(self) -> int:
        """Wait until there is a spare; its pid."""
        serving = self.worker()
        until(
            lambda: len(self.workers()) == 2,
            lambda: [f"{pid} {name_of(pid)} {state_of(pid)}" for pid in self.children()],
        )
        (spare,) = set(self.workers()) - {serving}
        until(lambda: "S" in state_of(spare))
        return spare

    def told(self, event: str) -> list[dict[str, Any]]:
        """The supervisor's log lines of one kind."""
        begins = '{"timestamp"'  # a worker that was killed may have left half a line before it
        lines = self.errors.read_text().replace(begins, "\n" + begins).splitlines()
        return [fact for line in lines if (fact := _json(line)).get("event") == f"supervisor.{event}"]

    def leave(self) -> int:
        """Close the client's end; the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE)


def _json(line: str) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}


def name_of(pid: int) -> str:
    """What the kernel calls a process; empty when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def state_of(pid: int) -> str:
    """The state of a process, as in proc(5); empty when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def until(condition: Any, instead: Any = lambda: "") -> None:
    """Wait until it holds; ``instead`` says what does."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, f"it did not come to pass: {instead()}"
        time.sleep(0.01)


@contextmanager
def supervised(folder: Path, source: str = SERVER, *, words: Sequence[str] = (), **settings: str) -> Iterator[Kept]:
    """Run ``holdfast run`` on a file with ``source``, shake hands, and leave nothing behind."""
    file, errors = folder / "kept.py", folder / "errors.txt"
    file.write_text(source)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    environment = clean | {"SIDE": str(folder / "side.txt"), "HOLDFAST_STATE": str(folder / "state"), **settings}
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.cli", "run", str(file), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, env=environment,
        )  # fmt: skip
    kept = Kept(process, errors)
    try:
        kept.open()
        yield kept
    finally:
        with suppress(OSError, ValueError, subprocess.TimeoutExpired):  # who is killed tells coverage nothing
            assert process.stdin is not None
            process.stdin.close()
            process.wait(GOODBYE)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()
