"""Sixty-four calls in flight over a pipe, thirty-two connections over HTTP: no error, no growth, no long tail.

Four windows of together three seconds, the first to warm up; ``LOAD_SECONDS=60`` makes them longer. The machine may be
busy with other work, so the middle one of the last three is judged.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.engines import ENGINES, engine
from support.peers import ENVELOPE, MODERN, UNMEASURED, HttpPeer, StdioPeer

SERVER = Path(__file__).parent / "servers" / "leaving.py"
SECONDS = float(os.environ.get("LOAD_SECONDS", "3"))
WINDOWS = 3
TAIL = 10
"""How many times the median the slowest hundredth of a window may take."""
GROWTH = 8 * 1024 * 1024
SETTINGS = {"HOLDFAST_LIMITS__RATE": "1000000/second", "HOLDFAST_LIMITS__TOTAL": "128", **UNMEASURED}


class Windows:
    """Callers in threads, each asking again as soon as it is answered."""

    def __init__(self, ask: Callable[[int, int], bool], callers: int, server: psutil.Process) -> None:
        self._ask = ask
        self._callers = callers
        self._server = server
        self.errors = 0
        self.tails: list[float] = []
        self.sizes: list[int] = []

    def run(self) -> None:
        """Warm up, then measure."""
        for _ in range(WINDOWS + 1):
            took = self._window(SECONDS / (WINDOWS + 1))
            self.tails.append(took[len(took) * 99 // 100] / statistics.median(took))
            self.sizes.append(self._server.memory_info().rss)

    def _window(self, seconds: float) -> list[float]:
        end, took = time.monotonic() + seconds, []

        def caller(who: int) -> None:
            number = 0
            while time.monotonic() < end:
                number += 1
                begun = time.perf_counter()
                good = self._ask(who, number)
                took.append(time.perf_counter() - begun)
                self.errors += not good

        threads = [threading.Thread(target=caller, args=(who,)) for who in range(self._callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(took)

    def check(self) -> None:
        assert self.errors == 0
        assert statistics.median(self.tails[1:]) <= TAIL, self.tails
        assert self.sizes[-1] - self.sizes[0] < GROWTH, self.sizes


@pytest.mark.parametrize("kind", ENGINES)
def test_sixty_four_calls_in_flight_over_a_pipe(kind: str, tmp_path: Path) -> None:
    with StdioPeer(SERVER, tmp_path / "state", **SETTINGS, **engine(kind, tmp_path)) as peer:
        peer.initialize()

        def ask(who: int, number: int) -> bool:
            return bool(peer.call("add", 60, a=who, b=number).get("structuredContent") == {"result": who + number})

        windows = Windows(ask, 64, psutil.Process(peer.process.pid))
        windows.run()
        windows.check()
        assert peer.garbage == []


@pytest.mark.parametrize("kind", ENGINES)
def test_thirty_two_connections_over_http(kind: str, tmp_path: Path) -> None:
    with HttpPeer(SERVER, tmp_path / "state", **SETTINGS, **engine(kind, tmp_path)) as peer:
        lines = [http.client.HTTPConnection("127.0.0.1", peer.port, timeout=60) for _ in range(32)]
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        headers |= {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "add"}

        def ask(who: int, number: int) -> bool:
            params = {"name": "add", "arguments": {"a": who, "b": number}, "_meta": ENVELOPE}
            body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
            lines[who].request("POST", "/mcp", json.dumps(body), headers)
            answer = json.loads(lines[who].getresponse().read())
            return bool(answer["result"]["structuredContent"] == {"result": who + number})

        windows = Windows(ask, len(lines), psutil.Process(peer.process.pid))
        windows.run()
        for line in lines:
            line.close()
        windows.check()
