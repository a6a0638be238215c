"""Where a worker stood that was lost: what a thread of C writes is read once by the next one, and understood."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from holdfast.supervisor.lastwords import Frame, LastWords, frames, runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")


@pytest.fixture
def words() -> Iterator[LastWords]:
    made = LastWords()
    yield made
    os.close(made.fd)


def shown(words: LastWords) -> bytes:
    """What faulthandler's timer has written of this process."""
    faulthandler.dump_traceback_later(0.01, file=words.fd)
    end = time.monotonic() + 10
    while not os.fstat(words.fd).st_size and time.monotonic() < end:
        time.sleep(0.01)
    faulthandler.cancel_dump_traceback_later()  # waits for the thread that writes
    return words.take()


def test_what_is_written_is_read_once(words: LastWords) -> None:
    os.write(words.fd, b"one ")
    os.write(words.fd, b"two")
    assert words.take() == b"one two"
    assert words.take() == b""
    os.write(words.fd, b"three")
    assert words.take() == b"three"


def test_code_is_found_on_the_stack_of_its_thread_alone(words: LastWords) -> None:
    free, inside = threading.Event(), threading.Event()

    def über() -> None:
        inside.set()
        free.wait(10)

    def other() -> None:
        """Not called."""

    thread = threading.Thread(target=über)
    thread.start()
    try:
        inside.wait(10)
        report = shown(words)
    finally:
        free.set()
        thread.join()
    assert thread.ident is not None
    theirs, ours = frames(report, thread.ident), frames(report, threading.get_ident())
    assert runs(über.__code__, theirs)
    assert not runs(über.__code__, ours)
    assert runs(shown.__code__, ours)
    assert not runs(other.__code__, theirs + ours)
    assert ours[-1].line > 0
    assert runs(sys._getframe().f_code, ours)


def test_the_thread_that_crashed_counts_for_more_than_the_loops(words: LastWords) -> None:
    faulthandler.dump_traceback(file=words.fd, all_threads=True)
    report = words.take()
    assert frames(report, 0x7F) == frames(report, threading.get_ident()) != []


@pytest.mark.parametrize("report", [b"", b"Timeout (0:00:06)!\n", b"Thread 0x00 (most recent", b"\xff" * 100])
def test_a_report_that_says_nothing_of_the_thread_names_nobody(report: bytes) -> None:
    assert frames(report, 0x7F) == []


def test_a_frame_of_the_same_name_elsewhere_is_another() -> None:
    code = shown.__code__
    here = Frame(code.co_filename, code.co_firstlineno + 2, "shown")
    assert runs(code, [here])
    assert not runs(code, [here._replace(line=1), here._replace(file="x.py"), here._replace(function="hidden")])
