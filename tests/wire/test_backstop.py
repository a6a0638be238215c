"""The thread that ends a process: when, with which status, and with which last words."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.wire import ending
from holdfast.wire.ending import Backstop, Ending

SOURCE = Path(__file__).parents[2] / "src"


class Left:
    """Stands for the end of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.status: int | None = None
        self.done = threading.Event()
        monkeypatch.setattr(ending.os, "_exit", self)

    def __call__(self, status: int) -> None:
        self.status = status
        self.done.set()


class Log:
    """A plant's log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.plant = SimpleNamespace(log=self, pipe=SimpleNamespace(closed=False, end=lambda seconds: True))

    def critical(self, event: str, **fields: Any) -> None:
        """Note it."""
        self.lines.append((event, fields))


def test_the_earliest_time_counts_and_the_last_line_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    left, log, backstop = Left(monkeypatch), Log(), Backstop()
    backstop.plant = log.plant
    backstop.arm(60)
    backstop.arm(0.01)
    assert left.done.wait(5)
    assert (left.status, log.lines) == (1, [("server.forced", {"status": 1, "reason": "the end took too long"})])
    backstop.close()


def test_an_end_that_was_reached_is_not_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    left, backstop = Left(monkeypatch), Backstop()
    backstop.arm(0.1)
    backstop.close()
    assert not left.done.wait(0.2)


@pytest.mark.parametrize("closed", [False, True])
def test_without_a_log_the_last_words_go_to_standard_error_even_if_nobody_reads(closed: bool) -> None:
    words = (
        "from holdfast.wire.ending import Backstop; import threading;"
        "b = Backstop(); b.force(143, 'server.forced', reason='a second signal'); threading.Event().wait()"
    )
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    if closed:
        try:
            while True:
                os.write(writer, b"x" * 4_096)
        except BlockingIOError:
            os.set_blocking(writer, True)
    given = {**os.environ, "PYTHONPATH": str(SOURCE)}
    ran = subprocess.run([sys.executable, "-c", words], stderr=writer, env=given, timeout=20, check=False)
    os.close(writer)
    assert ran.returncode == 143
    said = b""
    while piece := os.read(reader, 1_000_000):
        said += piece
    os.close(reader)
    assert (b"holdfast: server.forced: a second signal; status 143" in said) is not closed


async def test_a_countdown_begins_once_and_can_be_hurried() -> None:
    import asyncio

    events: list[Any] = []
    plant = SimpleNamespace(
        health=SimpleNamespace(set_ready=lambda ready, why: events.append((ready, why))),
        hurry=lambda seconds: events.append(round(seconds, 1)),
        log=SimpleNamespace(warning=lambda event, **fields: events.append((event, fields["calls"]))),
    )
    live = SimpleNamespace(plant=plant, cut=lambda: 3, drain=lambda: None)
    countdown = Ending(live, 60, 0.5)
    countdown.begin()
    countdown.begin()
    countdown.hurry(0.01)
    await asyncio.sleep(0.05)
    countdown.spoken()
    assert events == [(False, "draining"), ("server.cut", 3), 0.5]
    early = Ending(live, 60, 0.5)
    early.spoken()
    assert events[3:] == [(False, "draining"), 60.5], "what was left for calls is there for the rest"
