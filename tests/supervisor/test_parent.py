"""The supervisor with a real server: whatever happens to a worker, the client notices nothing, or is told the truth."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from support.soaking import LONG
from support.supervised import SERVER, state_of, supervised, until

from holdfast.wire.takeover import MOST_SENT

UNKNOWN = -32010


def test_a_call_that_only_reads_is_answered_by_the_next_worker(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        first, spare = kept.worker(), kept.spared()
        number = kept.begin("nap", seconds=0.5)
        until(lambda: kept.call("add", a=1, b=2) == 3)
        os.kill(first, signal.SIGKILL)
        assert kept.call("add", a=2, b=3) == 5
        assert kept.value(number) == spare
        assert kept.leave() == 0
        assert (kept.torn, kept.twice) == ([], [])


def test_a_call_that_only_reads_outlives_more_kills_from_outside_than_one_that_is_suspected_may(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        number = kept.begin("nap", seconds=3.0)
        for _ in range(MOST_SENT + 1):
            kept.spared()
            os.kill(kept.worker(), signal.SIGKILL)
            until(lambda: kept.call("add", a=1, b=2) == 3)
        assert kept.value(number) == kept.worker()
        assert len(kept.told("worker_lost")) == MOST_SENT + 1


def test_calls_that_waited_side_by_side_go_on_side_by_side(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        numbers = [kept.begin("nap", seconds=0.5) for _ in range(20)]
        until(lambda: kept.call("add", a=1, b=2) == 3)
        began = time.monotonic()
        os.kill(kept.workers()[0], signal.SIGKILL)
        assert len({kept.value(number) for number in numbers}) == 1
        assert time.monotonic() - began < 5, "one after the other they would take ten"


def test_a_call_that_writes_is_not_repeated_and_its_caller_is_told(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        number = kept.begin("write", text="once", seconds=60)
        written = tmp_path / "side.txt"
        until(lambda: written.exists() and written.read_text())  # the file is there before what is in it
        os.kill(kept.workers()[0], signal.SIGKILL)
        error = kept.answer(number)["error"]
        assert error["code"] == UNKNOWN
        assert error["data"] == {"code": "supervisor.outcome_unknown", "retryable": False}
        assert written.read_text() == "once\n"
        assert kept.call("write", text="again") == "again"


def test_what_was_sent_while_nobody_was_there_is_served(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        worker = kept.worker()
        kept.spared()
        os.kill(worker, signal.SIGSTOP)
        numbers = [kept.begin("add", a=number, b=1) for number in range(300)]
        os.kill(worker, signal.SIGKILL)
        found = [kept.value(number) for number in numbers]
        assert found == [number + 1 for number in range(300)]


@pytest.mark.parametrize("how", ["exit", "crash"])
def test_a_tool_that_ends_the_process_twice_is_left_alone(how: str, tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        error = kept.answer(kept.begin("leave", how=how))["error"]
        assert error["code"] == UNKNOWN
        refused = kept.answer(kept.begin("leave", how=how))["result"]
        assert refused["isError"]
        assert refused["_meta"]["io.holdfast/code"] == "supervisor.quarantined"
        assert kept.call("add", a=1, b=1) == 2
        assert [fact["blamed"] for fact in kept.told("worker_lost")] == [True, True]


def test_a_loop_that_stands_still_in_c_is_replaced(tmp_path: Path) -> None:
    with supervised(tmp_path, HOLDFAST_WATCHDOG__DUMP="0.5", HOLDFAST_WATCHDOG__INTERRUPT="1.0") as kept:
        kept.spared()
        number = kept.begin("leave", how="spin")
        beside = kept.begin("add", a=1, b=2)
        began = time.monotonic()
        assert kept.value(beside) == 3
        assert time.monotonic() - began < 8, "1.3 s for the ladder, the rest for a busy machine"
        assert "error" in kept.answer(number)


def test_a_spare_may_be_killed_and_is_made_anew(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        serving, spare = kept.worker(), kept.spared()
        os.kill(spare, signal.SIGKILL)
        until(lambda: state_of(spare) == "")
        assert kept.worker() == serving
        os.kill(serving, signal.SIGKILL)
        assert kept.call("add", a=1, b=2) == 3


def test_nobody_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        everybody = kept.workers()
        kept.process.kill()
        until(lambda: all(state_of(pid) in ("", "Z") for pid in everybody))


def test_what_a_lost_worker_had_started_is_ended(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        started = kept.call("spawn")
        os.kill(kept.workers()[0], signal.SIGKILL)
        assert kept.call("add", a=1, b=2) == 3
        until(lambda: state_of(started) == "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT] if LONG else [signal.SIGTERM])
def test_a_signal_to_a_worker_alone_ends_that_worker_alone(number: signal.Signals, tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        first = kept.worker()
        beside = kept.begin("nap", seconds=0.5)
        os.kill(first, number)
        until(lambda: len(kept.told("handed_over")) == 1)
        assert kept.worker() != first
        assert kept.value(beside) in (first, kept.worker())
        assert kept.told("worker_lost") == []
        kept.process.send_signal(number)
        assert kept.process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_them_in_good_order(number: signal.Signals, tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        everybody = kept.workers()
        kept.process.send_signal(number)
        assert kept.process.wait(10) == 0
        assert all(state_of(pid) == "" for pid in everybody)


def test_new_code_is_loaded_on_sighup_and_the_client_hears_of_it(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        first = kept.worker()
        (tmp_path / "kept.py").write_text(
            SERVER + '\n@server.tool(read_only=True)\ndef more() -> int:\n    """M."""\n    return 1\n'
        )
        kept.process.send_signal(signal.SIGHUP)
        until(lambda: kept.worker() != first)
        assert kept.call("more") == 1
        until(lambda: any(news["method"] == "notifications/tools/list_changed" for news in kept.news))


def test_code_that_cannot_be_loaded_leaves_the_server_as_it_is(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        first = kept.worker()
        (tmp_path / "kept.py").write_text("this is no Python")
        kept.process.send_signal(signal.SIGHUP)
        until(lambda: "kept.py:1" in kept.errors.read_text())
        assert kept.worker() == first


def test_a_server_that_cannot_start_says_so_once_and_is_not_tried_again(tmp_path: Path) -> None:
    import subprocess
    import sys

    file = tmp_path / "broken.py"
    file.write_text("import nothing_of_that_name")
    command = [sys.executable, "-m", "holdfast.cli", "run", str(file)]
    ran = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False)
    assert ran.returncode == 2
    assert ran.stderr.count(b"nothing_of_that_name") == 1


def test_the_log_level_and_the_handshake_survive(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.answer(kept.send("logging/setLevel", {"level": "error"}))
        kept.spared()
        os.kill(kept.workers()[0], signal.SIGKILL)
        assert kept.call("add", a=1, b=2) == 3
        again = kept.answer(kept.send("initialize", {"protocolVersion": "2025-11-25"}))
        assert "error" in again, "there has been one"


def test_health_says_who_serves_and_how_the_one_before_ended(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with supervised(tmp_path, HOLDFAST_HEALTH__PORT=str(port)) as kept:

        def detail() -> str:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/health")
            checks = json.loads(connection.getresponse().read())["checks"]
            connection.close()
            return str(checks["worker"]["detail"])

        supervisor = kept.process.pid
        assert detail() == f"process {kept.worker()}, supervised by {supervisor}"
        kept.spared()
        os.kill(kept.workers()[0], signal.SIGKILL)
        serving = kept.worker()
        assert detail() == f"process {serving}, supervised by {supervisor}, the 2. worker (SIGKILL, from outside)"


SLEEPER = (
    SERVER
    + '''
@server.tool(read_only=True, limits=Limits(timeout=0.2))
def sleeps() -> None:
    """Sleep in a thread that nobody can end."""
    time.sleep(600)
'''
)


def test_a_worker_whose_threads_are_stuck_for_good_asks_for_another_and_the_client_loses_nothing(
    tmp_path: Path,
) -> None:
    settings = {"HOLDFAST_LIMITS__THREADS": "2", "HOLDFAST_LIMITS__STUCK": "0.05"}
    with supervised(tmp_path, SLEEPER, **settings) as kept:
        first = kept.worker()
        kept.spared()
        for number in [kept.begin("sleeps") for _ in range(2)]:
            assert "deadline.exceeded" in str(kept.answer(number))
        until(lambda: kept.told("handed_over"))
        assert kept.worker() != first
        assert kept.told("retiring")[0]["why"] == "2 of 2 worker threads are stuck for good"
        assert kept.told("worker_lost") == []
        assert kept.call("add", a=1, b=2) == 3
