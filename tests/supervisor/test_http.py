"""The supervisor with a real server over HTTP: the port stays open, and sessions outlive whoever served them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from support.peers import text_of
from support.supervised import until
from support.supervisedhttp import held_port, result_of, session, twice


def test_many_workers_may_be_killed_and_whoever_sends_again_sees_no_error(tmp_path: Path) -> None:
    kills = int(os.environ.get("HOLDFAST_KILLS", "2"))
    with held_port(tmp_path) as port:
        stop = threading.Event()
        wrong: list[object] = []
        stalls: list[float] = []
        before: list[str] = []
        after: list[str] = []

        def calls(caller: int) -> None:
            talk = session(port)
            before.append(talk.headers["mcp-session-id"])
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    if caller % 2:
                        sent: Any = twice(lambda: result_of(talk, "add", a=caller, b=number), stalls)  # noqa: B023
                    else:
                        sent = int(text_of(twice(lambda: port.call("add", a=caller, b=number), stalls)))  # noqa: B023
                    if sent != caller + number:
                        wrong.append((caller, number, sent))
                except Exception as error:  # whatever it is, it is what a client would have seen
                    wrong.append(repr(error))
            after.append(talk.headers["mcp-session-id"])
            if twice(lambda: result_of(talk, "add", a=1, b=1)) != 2:
                wrong.append("the session")

        callers = [threading.Thread(target=calls, args=(caller,)) for caller in range(16)]
        for each in callers:
            each.start()
        until(lambda: len(before) == 16)
        for _ in range(kills):
            until(lambda: len(port.workers()) == 2)
            time.sleep(0.3)  # real time: calls go on meanwhile
            port.kill()
        stop.set()
        for each in callers:
            each.join()
        assert wrong == []
        assert sorted(before) == sorted(after)
        assert len(port.told("worker_lost")) == kills
        assert port.leave(signal.SIGTERM) == 0
