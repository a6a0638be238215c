"""Where a held loop stood: what a thread of C writes behind the memory is read by the next worker, and understood."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from holdfast.supervisor.aside import Aside, Frame, frames, runs
from holdfast.supervisor.memory import MIB, Memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory.create(slots=4, message=MIB, answer=MIB)
    yield made
    os.close(made.fd)


def shown(aside: Aside) -> bytes:
    """What faulthandler has written of this process."""
    faulthandler.dump_traceback(file=aside.fd, all_threads=True)
    return aside.take()


def test_what_is_written_is_read_once_and_touches_nothing_else(memory: Memory) -> None:
    aside, size = Aside(memory), len(memory.map)
    assert aside.take() == b""
    words = bytes(memory.bytes[: 2 * MIB])
    for _ in range(3):
        assert b"shown" in shown(aside)
        assert aside.take() == b""
        assert os.fstat(memory.fd).st_size == size
    faulthandler.dump_traceback(file=aside.fd)
    assert b"written_is_read_once" in Aside(memory).take(), "the next worker finds it too"
    assert bytes(memory.bytes[: 2 * MIB]) == words


def test_code_is_found_on_the_stack_of_its_thread_alone(memory: Memory) -> None:
    aside, free, inside = Aside(memory), threading.Event(), threading.Event()
    aside.take()

    def über() -> None:
        inside.set()
        free.wait(10)

    def other() -> None:
        """Not called."""

    thread = threading.Thread(target=über)
    thread.start()
    try:
        inside.wait(10)
        report = shown(aside)
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


@pytest.mark.parametrize("report", [b"", b"Timeout (0:00:06)!\n", b"Thread 0x00 (most recent", b"\xff" * 100])
def test_a_report_that_says_nothing_of_the_thread_names_nobody(report: bytes) -> None:
    assert frames(report, 0x7F) == []


def test_a_frame_of_the_same_name_elsewhere_is_another() -> None:
    code = shown.__code__
    here = Frame(code.co_filename, code.co_firstlineno + 2, "shown")
    assert runs(code, [here])
    assert not runs(code, [here._replace(line=1), here._replace(file="x.py"), here._replace(function="hidden")])
