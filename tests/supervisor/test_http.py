"""The supervisor with a real server over HTTP: the port stays open, and sessions outlive whoever served them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.peers import code_of, environment, text_of
from support.soaking import note
from support.supervised import SERVER, state_of
from support.supervisedhttp import LOST, held_port, result_of, session, twice, until


def test_many_workers_may_be_killed_and_whoever_sends_again_sees_no_error(tmp_path: Path) -> None:
    kills = int(os.environ.get("HOLDFAST_KILLS", "1"))
    with held_port(tmp_path) as port:
        stop = threading.Event()
        wrong: list[object] = []
        stalls: list[float] = []
        done = [0] * 16
        handles: dict[int, str] = {}

        def calls(caller: int) -> None:
            talk = session(port)
            handles[caller] = talk.headers["mcp-session-id"]
            while not stop.is_set():
                wanted = caller + done[caller]
                by_session = partial(result_of, talk, "add", a=caller, b=done[caller])
                alone = partial(port.call, "add", a=caller, b=done[caller])
                try:
                    found: Any = twice(by_session, stalls) if caller % 2 else int(text_of(twice(alone, stalls)))
                    if found != wanted:
                        wrong.append((caller, wanted, found))
                except Exception as error:  # whatever it is, it is what a client would have seen
                    wrong.append(repr(error))
                done[caller] += 1
            if (
                talk.headers["mcp-session-id"] != handles[caller]
                or twice(partial(result_of, talk, "add", a=1, b=1)) != 2
            ):
                wrong.append("the session")

        def all_served() -> None:
            """Everybody was answered again: what is lost next is lost for the first time."""
            before = list(done)
            until(lambda: wrong or all(now > then + 1 for now, then in zip(done, before, strict=True)))

        callers = [threading.Thread(target=calls, args=(caller,)) for caller in range(16)]
        for each in callers:
            each.start()
        for _ in range(kills):
            port.spared()
            all_served()
            port.kill()
        all_served()
        stop.set()
        for each in callers:
            each.join()
        assert wrong == []
        assert len(handles) == 16
        assert len(port.told("worker_lost")) == kills
        detail = json.loads(port.get("/health")[2])["checks"]["worker"]["detail"]
        assert detail.startswith(f"process {port.worker()}, supervised by {port.process.pid}, the {kills + 1}. worker")
        assert port.leave(signal.SIGTERM) == 0
        note(kills=kills, calls=sum(done), errors=len(wrong), worst_s=round(max(stalls), 3))


def test_a_tool_that_ends_the_process_twice_is_left_alone(tmp_path: Path) -> None:
    with held_port(tmp_path) as port:
        talk = session(port)
        for _ in range(2):
            port.spared()
            with pytest.raises(LOST):
                result_of(talk, "leave", how="exit")
        assert code_of(port.call("leave", how="exit")) == "supervisor.quarantined"
        assert twice(lambda: result_of(talk, "add", a=1, b=1)) == 2
        assert [fact["blamed"] for fact in port.told("worker_lost")] == [True, True]


def test_new_code_is_loaded_on_sighup_while_calls_end_as_they_began(tmp_path: Path) -> None:
    with held_port(tmp_path) as port, ThreadPoolExecutor(2) as aside:
        talk, first = session(port), port.spared()
        more = '\n@server.tool(read_only=True)\ndef more() -> int:\n    """M."""\n    return 1\n'
        (tmp_path / "kept.py").write_text(SERVER + more)
        under_way = aside.submit(port.call, "nap", seconds=2.0)
        port.process.send_signal(signal.SIGHUP)
        until(lambda: port.told("handed_over"))
        assert text_of(under_way.result()), "it was answered by the worker that left"
        assert result_of(talk, "more") == 1
        assert port.worker() not in (first, int(text_of(under_way.result())))
        assert port.told("worker_lost") == []
        (tmp_path / "kept.py").write_text("this is no Python")
        serving = port.worker()
        port.process.send_signal(signal.SIGHUP)
        until(lambda: "kept.py:1" in port.stderr())
        assert port.worker() == serving


def test_a_signal_ends_all_of_them_in_good_order(tmp_path: Path) -> None:
    with held_port(tmp_path) as port, ThreadPoolExecutor(1) as aside:
        port.spared()
        everybody = port.workers()
        under_way = aside.submit(port.call, "nap", seconds=0.7)
        time.sleep(0.3)  # real time: it is under way
        assert port.leave(signal.SIGINT) == 0
        assert text_of(under_way.result())
        assert all(state_of(pid) == "" for pid in everybody)
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port.port), 5):
            pass


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="over pipes it is tested always")
def test_a_second_signal_forces_the_end(tmp_path: Path) -> None:
    with held_port(tmp_path) as port, ThreadPoolExecutor(1) as aside:
        under_way = aside.submit(port.call, "nap", seconds=15.0)
        time.sleep(0.3)  # real time: it is under way
        port.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)  # real time: a second one at once counts as the first
        began = time.monotonic()
        port.leave(signal.SIGTERM)
        assert time.monotonic() - began < 10, "the call would have taken 15"
        with pytest.raises(LOST):
            under_way.result()


def test_a_server_that_cannot_start_says_so_once_and_is_not_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "kept.py"
    file.write_text(SERVER)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "holdfast.cli", "run", str(file), "--http"]
        words = ["--port", str(taken.getsockname()[1])]
        env = environment(tmp_path / "state", {})
        ran = subprocess.run([*command, *words], capture_output=True, timeout=30, check=False, env=env)
    assert ran.returncode == 2
    assert ran.stderr.count(b"cannot be bound") == 1


def test_without_a_supervisor_signals_reach_whoever_serves(tmp_path: Path) -> None:
    with held_port(tmp_path, HOLDFAST_SUPERVISE="false") as port:
        (worker,) = port.workers()
        assert port.worker() == worker
        port.process.send_signal(signal.SIGHUP)
        until(lambda: "settings.reloaded" in port.stderr())
        assert port.leave() == 0


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="it waits for the ladder")
def test_a_loop_that_stands_still_in_c_is_replaced(tmp_path: Path) -> None:
    with held_port(tmp_path, HOLDFAST_WATCHDOG__DUMP="0.5", HOLDFAST_WATCHDOG__INTERRUPT="1.0") as port:
        port.spared()
        began = time.monotonic()
        with pytest.raises(LOST):
            port.call("leave", how="spin")
        assert text_of(port.call("add", a=1, b=2)) == "3"
        assert time.monotonic() - began < 8, "1.3 s for the ladder, the rest for a busy machine"
        assert port.told("worker_lost")[0]["why"] == "its loop stood still"


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="it waits for threads to be given up")
def test_a_worker_whose_threads_are_stuck_for_good_asks_for_another(tmp_path: Path) -> None:
    sleeper = (
        SERVER
        + '''
@server.tool(read_only=True, limits=Limits(timeout=0.2))
def sleeps() -> None:
    """Sleep in a thread that nobody can end."""
    time.sleep(600)
'''
    )
    settings = {"HOLDFAST_LIMITS__THREADS": "2", "HOLDFAST_LIMITS__STUCK": "0.05"}
    with held_port(tmp_path, sleeper, **settings) as port:
        talk, first = session(port), port.worker()
        port.spared()
        for _ in range(2):
            assert code_of(port.call("sleeps")) == "deadline.exceeded"
        until(lambda: port.told("handed_over"))
        assert result_of(talk, "nap", seconds=0) != first
        assert port.told("worker_lost") == []
