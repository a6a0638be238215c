"""``kill -9`` of the worker again and again: who only reads sees no error, and nothing is done or answered twice.

``make soak`` kills a hundred times, 3 to 5 s apart, and judges the worst pause too.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import supervised as support
from support.soaking import LONG, Metronome, crew, note
from support.supervised import Kept, state_of, supervised, until

KILLS = int(os.environ.get("SOAK_KILLS", "100" if LONG else "1"))
GAP = (3.0, 5.0) if LONG else (0.2, 0.4)
LARGE_GAP = (1.1, 2.0) if LONG else (0.2, 0.4)
"""Seconds; over one, a killed worker does not count as one that cannot live."""
STALL = 0.5
"""Seconds that a call may take at most (issue 5), on a machine that has nothing else to do."""
UNKNOWN = -32010
QUIET = {"HOLDFAST_LOG__LEVEL": "error"}
"""Else the log of a long run is hundreds of megabytes, and reading it is what the machine does."""
MIB = 1 << 20


def kill(kept: Kept, gap: tuple[float, float], chance: random.Random) -> int:
    """Kill who serves, once there is a spare that waits; returns its pid."""

    def ready() -> bool:
        workers = kept.workers()
        return len(workers) == 2 and "S" in state_of(workers[1])

    until(ready)
    time.sleep(chance.uniform(*gap))  # real time: calls go on meanwhile
    until(ready)
    worker = kept.workers()[0]
    os.kill(worker, signal.SIGKILL)
    return worker


def said(answer: dict[str, Any]) -> str:
    """The text of an answer; empty for an error."""
    content = answer.get("result", {}).get("content") or [{}]
    return str(content[0].get("text", ""))


def all_told(kept: Kept, kills: int) -> None:
    """Each of them was replaced, and none was blamed."""
    until(lambda: len(kept.told("ready")) == kills + 1)
    assert [fact["blamed"] for fact in kept.told("worker_lost")] == [False] * kills


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage is collected: this process remembers millions of answers, and going through them keeps all of its
    callers waiting for a second, which would be counted as a stall of the server."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_sixteen_callers_see_no_error_and_nothing_is_done_twice(tmp_path: Path) -> None:
    chance, done, unknown = random.Random(5), list[str](), list[int]()
    with supervised(tmp_path, **QUIET) as kept:

        def reads(caller: int, number: int) -> object:
            answer = kept.answer(kept.begin("add", a=caller, b=number))
            return None if said(answer) == str(caller + number) else answer

        def writes(caller: int, number: int) -> object:
            text = f"{caller}-{number}"
            answer = kept.answer(kept.begin("write", text=text, seconds=0.01))
            if answer.get("error", {}).get("code") == UNKNOWN:
                unknown.append(caller)
                return None
            done.append(text)
            return None if said(answer) == text else answer

        metronome = Metronome()
        with crew() as callers:
            for caller in range(16):
                work = reads if caller % 4 else writes
                callers.go(lambda number, work=work, caller=caller: work(caller, number))
            for _ in range(KILLS):
                kill(kept, GAP, chance)
            all_told(kept, KILLS)
        metronome.stop()
        written = (tmp_path / "side.txt").read_text().splitlines()
        note(
            kills=KILLS, calls=callers.calls, errors=len(callers.wrong), unknown_writes=len(unknown),
            twice=len(written) - len(set(written)), worst_stall_ms=round(callers.worst * 1000),
            machine_stall_ms=round(metronome.worst * 1000),
        )  # fmt: skip
        assert callers.wrong == []
        assert (kept.torn, kept.twice) == ([], [])
        assert len(written) == len(set(written)), "a side effect twice"
        assert set(done) <= set(written), "acknowledged, and lost"
        assert not LONG or callers.worst < STALL, "on a machine with nothing else to do"
        assert kept.leave() == 0


class Slow(Kept):
    """A client that reads a piece at a time, and takes its time."""

    PIECE, PAUSE = 256 * 1024, 0.004

    def _lines(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        held = b""
        while piece := os.read(self.process.stdout.fileno(), self.PIECE):
            *whole, held = (held + piece).split(b"\n")
            yield from whole
            time.sleep(self.PAUSE)  # real time: that it is slow is the point
        if held:
            self.torn.append(held)


def test_answers_of_a_mebibyte_to_a_slow_reader_are_whole_and_none_comes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(process: subprocess.Popen[bytes], errors: Path) -> Kept:
        return Slow(process, errors)

    monkeypatch.setattr(support, "Kept", slow)
    with supervised(tmp_path, HOLDFAST_LIMITS__OUTPUT="2000000", **QUIET) as kept, crew() as callers:

        def large(_number: int) -> object:
            found: Any = kept.call("large", size=MIB)
            return None if found == "x" * MIB else str(found)[:200]

        for _ in range(4):
            callers.go(large)
        for _ in range(KILLS):
            kill(kept, LARGE_GAP, random.Random(KILLS))
        all_told(kept, KILLS)
        callers.stop()
        note(large_kills=KILLS, large_answers=callers.calls, torn=len(kept.torn), answered_twice=len(kept.twice))
        assert callers.wrong == []
        assert (kept.torn, kept.twice) == ([], [])
