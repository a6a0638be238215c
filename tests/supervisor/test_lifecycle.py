"""How a supervised server ends, and what becomes of wrong settings: as without a supervisor, and said once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.supervised import SERVER, Kept, state_of, supervised, until

BEGUN = SERVER.replace(
    'server = Server("kept")',
    """
from contextlib import asynccontextmanager

@asynccontextmanager
async def lifespan(server):
    yield
    print("TEARDOWN", file=sys.stderr, flush=True)

server = Server("kept", lifespan=lifespan)
""",
)


def begun(kept: Kept, *tools: tuple[str, dict[str, Any]]) -> list[int]:
    """Begin calls, and be sure that they run."""
    numbers = [kept.begin(tool, **arguments) for tool, arguments in tools]
    assert kept.call("add", a=1, b=1) == 2
    return numbers


def test_at_a_signal_calls_get_their_answers_or_a_word_and_everything_is_torn_down(tmp_path: Path) -> None:
    settings = {"HOLDFAST_STDIO__DRAIN": "1.8"}
    with supervised(tmp_path, BEGUN, **settings) as kept:
        kept.spared()
        everybody = kept.children()
        brief, long = begun(kept, ("nap", {"seconds": 1.5}), ("write", {"text": "x", "seconds": 60}))
        kept.process.send_signal(signal.SIGTERM)
        time.sleep(0.05)  # the echo of the first, as uv and npm pass it on
        kept.process.send_signal(signal.SIGTERM)
        assert isinstance(kept.value(brief), int)
        refused = kept.answer(long)["result"]["_meta"]
        assert refused["io.holdfast/code"] == "server.draining"
        assert refused["io.holdfast/retryable"] is False, "nobody knows whether it had an effect"
        assert kept.process.wait(10) == 0
        assert "TEARDOWN" in kept.errors.read_text()
        assert all(state_of(pid) == "" for pid in everybody)


def test_a_second_signal_forces_the_end_with_a_last_line_and_its_own_status(tmp_path: Path) -> None:
    with supervised(tmp_path, HOLDFAST_STDIO__DRAIN="30") as kept:
        begun(kept, ("nap", {"seconds": 60}))
        kept.process.send_signal(signal.SIGINT)
        time.sleep(0.4)  # real time, past the echo
        began = time.monotonic()
        kept.process.send_signal(signal.SIGTERM)
        assert kept.process.wait(10) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 15, "not the drain of 30 s"
        (last,) = [line for line in kept.errors.read_text().splitlines() if "server.forced" in line]
        assert json.loads(last)["reason"] == "a second signal, SIGTERM"


def test_a_worker_that_does_not_even_hear_the_second_signal_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        worker = kept.worker()
        os.kill(worker, signal.SIGSTOP)
        kept.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # real time, past the echo
        kept.process.send_signal(signal.SIGTERM)
        assert kept.process.wait(10) == 128 + signal.SIGTERM
        assert state_of(worker) == ""


def test_a_client_that_leaves_has_its_answers_and_nobody_stays(tmp_path: Path) -> None:
    with supervised(tmp_path, BEGUN) as kept:
        (brief,) = begun(kept, ("nap", {"seconds": 0.3}))
        everybody = kept.children()
        assert kept.leave() == 0
        assert isinstance(kept.value(brief), int)
        assert "TEARDOWN" in kept.errors.read_text()
        assert all(state_of(pid) == "" for pid in everybody)


def refused(folder: Path, **settings: str) -> tuple[int, str]:
    """Run a server that does not start: its exit status and what it said."""
    (folder / "kept.py").write_text(SERVER)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    words = [sys.executable, "-m", "holdfast.cli", "run", str(folder / "kept.py")]
    environment = {"HOLDFAST_STATE": str(folder / "state"), **clean, **settings}
    ran = subprocess.run(words, input=b"", capture_output=True, timeout=60, check=False, env=environment)
    return ran.returncode, ran.stderr.decode()


@pytest.mark.parametrize(
    "settings, named",
    [
        ({"HOLDFAST_LIMITS__TIME_OUT": "3"}, "unknown setting limits.time_out (environment)"),
        ({"HOLDFAST_WATCHDOG__DUMP": "20"}, "HOLDFAST_WATCHDOG__DUMP must be less than HOLDFAST_WATCHDOG__INTERRUPT"),
        ({"HOLDFAST_STATE": "{folder}/kept.py/state", "HOLDFAST_LIMITS__QUOTA": "5/day"}, "HOLDFAST_STATE"),
    ],
    ids=["unknown", "out of order", "no folder"],
)
def test_wrong_settings_are_named_once_and_not_tried_again(
    settings: dict[str, str], named: str, tmp_path: Path
) -> None:
    given = {name: value.format(folder=tmp_path) for name, value in settings.items()}
    status, said = refused(tmp_path, **given)
    assert status == 2
    assert said.count(named) == 1, said
    assert "supervisor.ready" not in said


def test_a_state_file_that_is_none_is_set_aside_and_nothing_that_was_accepted_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "kept"
    folder.mkdir(parents=True)
    (folder / "state.sqlite").write_bytes(b"this is no database" * 500)
    with supervised(tmp_path, HOLDFAST_LIMITS__QUOTA="1000/day") as kept:
        until(lambda: "state.damaged" in kept.errors.read_text())
        assert kept.told("worker_lost") == kept.told("gave_up") == []
        aside = [each for each in folder.glob("state*") if each.read_bytes().startswith(b"this is no")]
        assert len(aside) == 1, "moved, and kept"


STUCK = (
    SERVER
    + '''
@server.tool(read_only=True, limits=Limits(timeout=0.2))
def sleeps() -> None:
    """Sleep in a thread that nobody can end."""
    time.sleep(600)

@server.tool(read_only=True)
def works() -> int:
    """Work in a thread."""
    return os.getpid()
'''
)


def test_threads_that_are_stuck_for_good_cost_the_client_a_refusal_and_then_nothing(tmp_path: Path) -> None:
    settings = {"HOLDFAST_LIMITS__THREADS": "2", "HOLDFAST_LIMITS__STUCK": "1.0"}
    with supervised(tmp_path, STUCK, **settings) as kept:
        first = kept.call("works")
        kept.spared()
        for number in [kept.begin("sleeps") for _ in range(2)]:
            assert "deadline.exceeded" in str(kept.answer(number))
        nap = kept.begin("nap", seconds=1.2)
        refusal = kept.answer(kept.begin("works"))["result"]
        assert refusal["_meta"]["io.holdfast/code"] == "isolation.stuck"
        assert "stuck in earlier calls" in refusal["content"][0]["text"]
        worst = 0.0
        while not kept.told("handed_over"):
            began = time.monotonic()
            assert kept.call("add", a=1, b=2) == 3
            worst = max(worst, time.monotonic() - began)
        assert kept.call("works") != first
        assert isinstance(kept.value(nap), int)
        assert worst < 6, "no time is spent on threads that never end; the rest is a busy machine's"
        assert kept.told("retiring")[0]["why"] == "2 of 2 worker threads are stuck for good"
        assert (kept.told("worker_lost"), kept.torn, kept.twice) == ([], [], [])
