"""The parent's log lines: JSON or words, and nobody who does not read them holds the parent up."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import suppress

import pytest

from holdfast.supervisor.journal import tell


class Terminal(io.StringIO):
    """Somebody sits there."""

    def isatty(self) -> bool:
        return True


def test_a_line_is_json(capfd: pytest.CaptureFixture[str]) -> None:
    tell("worker_lost", "error", pid=7)
    told = json.loads(capfd.readouterr().err)
    assert told.pop("timestamp").endswith("Z")
    assert told == {"level": "error", "event": "supervisor.worker_lost", "pid": 7}


def test_a_terminal_is_told_in_words(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    tell("ready", pid=7, restarts=0)
    assert capfd.readouterr().err.endswith("Z [info] supervisor: ready pid=7 restarts=0\n")


def test_where_nobody_reads_or_listens_the_line_is_lost_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, (read, write) = os.dup(2), os.pipe()
    try:
        os.dup2(write, 2)
        os.set_blocking(2, False)
        with suppress(BlockingIOError):
            while os.write(2, bytes(4_096)):
                pass
        os.set_blocking(2, True)
        tell("ready")
        os.close(read)
        tell("ready")
    finally:
        os.dup2(kept, 2)
        for fd in (kept, write):
            os.close(fd)
    monkeypatch.setattr(sys, "stderr", None)
    tell("ready")
