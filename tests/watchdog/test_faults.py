"""Where a process stood that was aborted, or that C code held: told on stderr, in processes of their own."""

from __future__ import annotations

import faulthandler
import signal
import subprocess
import sys

import pytest

from holdfast.watchdog.faults import FaultReports

HELD = """
import faulthandler, sys
import pytest

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
import pytest

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


ASIDE = """
import os, sys
import pytest

from holdfast.watchdog.faults import FaultReports

class Aside:
    fd = os.memfd_create("aside")

    def take(self):
        report = os.pread(self.fd, 100_000, 0)
        os.ftruncate(self.fd, 0)
        os.lseek(self.fd, 0, os.SEEK_SET)
        return report

aside = Aside()
reports = FaultReports(lambda: aside)
reports.start()
reports.expect(0.1)

def in_c():
    return sum(range(20_000_000))  # the interpreter is held until it is done

in_c()
print(os.fstat(aside.fd).st_size > 0, flush=True)
os.write(2, b"--- so far nothing ---\\n")
reports.expect(60)
print(os.fstat(aside.fd).st_size, flush=True)
reports.stop()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")
def test_where_somebody_reads_them_the_stacks_are_written_aside_and_shown_when_it_has_ended_well() -> None:
    ended = ran(ASIDE)
    before, _, after = ended.stderr.partition("--- so far nothing ---\n")
    assert before == ""
    assert "in in_c" in after
    assert ended.stdout.split() == ["True", "0"]
