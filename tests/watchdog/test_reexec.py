"""Beginning anew: the same command line, not twice in a minute, and what refuses says why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from holdfast.watchdog.reexec import LAST, Anew, reexecute, why_not

SCRIPT = """
import os, sys, threading
from holdfast.watchdog.reexec import reexecute

print(os.getpid(), sys.argv[1:], flush=True)
thread = threading.Thread(target=lambda: print(reexecute("it stands"), flush=True))
thread.start()
thread.join()
"""


def test_the_process_becomes_itself_again_with_its_number_and_arguments_but_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, "a b", "c"], capture_output=True, text=True, timeout=60, check=True
    )
    first, second, why = ran.stdout.splitlines()
    assert first == second
    assert first.endswith("['a b', 'c']")
    assert why == "it was begun anew less than a minute ago"


def test_it_begins_as_it_was_begun_and_leaves_word_when() -> None:
    calls: list[tuple[str, list[str], Mapping[str, str]]] = []

    def execute(*call: object) -> None:
        calls.append(call)  # type: ignore[arg-type]

    assert reexecute(environ={"A": "b"}, execute=execute, wall=lambda: 500.0) == "the system did not do it"
    program, argv, environ = calls[0]
    assert (program, argv) == (sys.executable, [sys.executable, *sys.orig_argv[1:]])
    assert environ == {"A": "b", LAST: "500.0"}


def test_what_refuses_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    assert reexecute(environ={}, execute=refuses) == "the system refused: Cannot allocate memory"
    assert why_not({LAST: "nonsense"}) is None
    assert why_not({LAST: "100"}, lambda: 120.0) == "it was begun anew less than a minute ago"
    assert why_not({LAST: "100"}, lambda: 161.0) is None
    monkeypatch.setattr(sys, "orig_argv", [])
    assert why_not({}) == "it is not known how this process was started"


def test_a_server_is_stopped_to_begin_anew_only_if_it_can() -> None:
    stops: list[int] = []
    anew = Anew(lambda: stops.append(1), lambda: None)
    assert anew.retire("memory") is None
    assert (anew.wanted, stops) == (True, [1])
    anew.end()
    assert (anew.wanted, stops.pop()) == (False, 1), "a signal is an end"
    assert anew.retire("memory") == "it is asked to end"
    assert anew.wanted is False, "also while it drains"
    anew = Anew(lambda: stops.append(1), lambda: "just now")
    assert anew.retire("memory") == "just now"
    assert (anew.wanted, stops) == (False, [1])
