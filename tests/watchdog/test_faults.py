"""Where a process stood that was aborted, or that C code held: told on stderr, in processes of their own."""

from __future__ import annotations

import faulthandler
import signal
import subprocess
import sys

from holdfast.watchdog.faults import FaultReports

HELD = """
import faulthandler, sys
from holdfast.watchdog.faults import FaultReports

reports = FaultReports()
reports.start()
reports.expect(0.2)

def in_c():
    return sum(range(20_000_000))  # the interpreter is held until it is done

in_c()
reports.stop()
print(faulthandler.is_enabled())
"""
ABORTED = """
import os
from holdfast.watchdog.faults import FaultReports

FaultReports().start()

def here():
    os.abort()

here()
"""


def ran(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_a_held_interpreter_is_shown_while_it_is_held_and_all_is_as_before_at_the_end() -> None:
    done = ran(HELD)
    assert "Timeout (0:00:00.2" in done.stderr
    assert "in in_c" in done.stderr
    assert done.stdout.strip() == "False"


def test_an_aborted_process_says_where_it_stood() -> None:
    done = ran(ABORTED)
    assert done.returncode == -signal.SIGABRT
    assert "in here" in done.stderr


def test_what_somebody_else_has_enabled_is_left_alone() -> None:
    assert faulthandler.is_enabled(), "pytest has done it"
    reports = FaultReports()
    reports.start()
    assert not reports.ours
    reports.expect(0.001)
    reports.spare()
    reports.stop()
    assert faulthandler.is_enabled()
