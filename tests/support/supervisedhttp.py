"""A real server over HTTP behind its supervisor, and clients that send once more what a lost worker left unanswered."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from support.peers import HttpPeer, text_of
from support.supervised import GUARDIAN, SERVER, name_of, state_of
from support.talks import HandshakeHttpTalk, call

PATIENCE = 40.0
"""Seconds that a test waits for what must come, where others have the processors too."""
LOST = (ConnectionResetError, BrokenPipeError, http.client.HTTPException, AssertionError, IndexError)
"""What a client sees whose worker went while it waited; a connection that is refused is not among it."""


class HeldPort(HttpPeer):
    """The port, and the processes behind it."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        self.process = process
        self.errors = errors
        self.stderr_path = errors
        self._number = 0
        until(lambda: self._serving() or process.poll() is not None)
        assert process.poll() is None, self.stderr()
        self.port = int(self._serving()[0]["url"].rpartition(":")[2].removesuffix("/mcp"))

    def _serving(self) -> list[dict[str, Any]]:
        return [fact for fact in self.facts() if fact.get("event") == "serving"]

    def facts(self) -> list[dict[str, Any]]:
        """The log."""
        found = []
        for line in self.errors.read_text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [fact for fact in found if isinstance(fact, dict)]

    def told(self, event: str) -> list[dict[str, Any]]:
        """The supervisor's log lines of one kind."""
        return [fact for fact in self.facts() if fact.get("event") == f"supervisor.{event}"]

    def workers(self) -> list[int]:
        """The supervisor's children, the eldest first: the worker, and its spare."""
        pid = self.process.pid
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(child) for child in children if name_of(int(child)) != GUARDIAN]
        return []

    def worker(self) -> int:
        """Who serves."""
        return int(text_of(self.call("nap", seconds=0)))

    def spared(self) -> int:
        """Wait until there is a spare that has loaded everything; its pid."""
        serving = self.worker()
        until(lambda: len(self.workers()) == 2)
        (spare,) = set(self.workers()) - {serving}
        until(lambda: "S" in state_of(spare))
        return spare

    def kill(self) -> int:
        """Kill the worker, and wait for another one to be ready; who it was."""
        count, lost = len(self.told("ready")), self.workers()[0]
        os.kill(lost, 9)
        until(lambda: len(self.told("ready")) > count)
        return lost

    def leave(self, number: int = 15) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def until(condition: Callable[[], Any]) -> None:
    """Wait until it holds."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.01)


def twice(work: Callable[[], Any], retried: list[float] | None = None) -> Any:
    """Do it, and once more when the connection was lost; ``ConnectionRefusedError`` is never a loss."""
    began = time.monotonic()
    try:
        return work()
    except LOST:
        found = work()
        if retried is not None:
            retried.append(time.monotonic() - began)
        return found


def result_of(talk: Any, tool: str, /, **arguments: Any) -> Any:
    """What a call gave; an error is raised."""
    answer = call(talk, tool, **arguments)
    if answer.get("isError") or "error" in answer:
        raise AssertionError(answer)
    return answer["structuredContent"]["result"]


def session(port: HeldPort, **headers: str) -> HandshakeHttpTalk:
    """A new session of the handshake era."""
    return HandshakeHttpTalk(port, **headers)


@contextmanager
def held_port(folder: Path, source: str = SERVER, *words: str, **settings: str) -> Iterator[HeldPort]:
    """Run ``holdfast run --http`` on a file with ``source``, and leave nothing behind."""
    file, errors = folder / "kept.py", folder / "errors.txt"
    file.write_text(source)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    more = {"SIDE": str(folder / "side.txt"), "HOLDFAST_STATE": str(folder / "state")}
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.cli", "run", str(file), "--http", "--port", "0", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stream, env=clean | more | settings,
        )  # fmt: skip
    try:
        yield HeldPort(process, errors)
    finally:
        process.kill()
        process.wait()
