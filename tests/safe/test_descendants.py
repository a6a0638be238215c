"""The mark of a run is inherited, is found again, and only what carries it is killed."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from holdfast.safe import confine, descendants
from holdfast.safe.descendants import ENVIRONMENT, Mark, adopt_orphans, clear, stray, sweep

WAIT = "input()"


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", WAIT], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_marks_differ_and_stay_below_our_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({Mark.new() for _ in range(100)}) == 100
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1000, 1000))
    assert all(500 <= Mark.new().number < 1000 for _ in range(50))


def test_this_process_adopts_orphans() -> None:
    assert adopt_orphans()


def test_a_marked_process_is_found_by_its_limit_and_a_stranger_is_not(stranger: subprocess.Popen[bytes]) -> None:
    mark = Mark.new()
    assert not mark.on(stranger.pid)
    resource.prlimit(stranger.pid, resource.RLIMIT_RSS, (mark.number, mark.number))
    assert mark.on(stranger.pid)
    assert not mark.on(2**22 - 1)


def test_where_limits_may_not_be_read_the_variable_is(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = Mark.new()
    process = subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={ENVIRONMENT: mark.variable},
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()

        def denied(pid: int, which: int) -> tuple[int, int]:
            raise PermissionError

        monkeypatch.setattr(resource, "prlimit", denied)
        assert mark.on(process.pid)
        assert not Mark.new().on(process.pid)
        assert not mark.on(2**22 - 1)
    finally:
        process.kill()
        process.communicate()


async def test_sweeping_kills_and_reaps_the_marked_except_the_leader(stranger: subprocess.Popen[bytes]) -> None:
    mark = Mark.new()
    resource.prlimit(stranger.pid, resource.RLIMIT_RSS, (mark.number, mark.number))
    assert sweep(mark, leader=stranger.pid) == 0
    assert await clear(mark, leader=0)
    assert not os.path.exists(f"/proc/{stranger.pid}")
    assert sweep(mark, leader=0) == 0


def test_where_orphans_cannot_be_adopted_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def __init__(self, _: None) -> None: ...

        def prctl(self, *_: int) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", Refusing)
    assert not adopt_orphans()
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not adopt_orphans()


# -- who shed the mark of its run --------------------------------------------------------------------------------------


def tagged(code: str) -> subprocess.Popen[bytes]:
    """A child that the kernel knows as a command's: it was started by a thread with the tag."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        confine.tag()
        started.append(
            subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        )

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    return started[0]


def number(pid: int, value: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_RSS, (value, value))


def test_a_stray_is_a_tagged_child_of_ours_with_a_number_that_no_living_run_gave() -> None:
    shed, mark = Mark.new().number, Mark.new()
    process = tagged(f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {WAIT!r}], stdin=0); "
                     "print(p.pid, flush=True); p.wait()")  # fmt: skip
    assert process.stdout is not None
    grandchild = int(process.stdout.readline())
    try:
        number(grandchild, shed)
        assert not stray(grandchild), "it has a parent that is not ours"
        assert not stray(process.pid), "it is just starting, and has no number yet"
        number(process.pid, shed)
        assert stray(process.pid)
        found: list[bool] = []
        for own, leader in ((shed, 0), (mark.number, process.pid), (mark.number, 0)):
            run = descendants.Marked(target=lambda: found.append(stray(process.pid)))
            run.mark, run.leader = Mark(own), leader
            run.start()
            run.join()
        assert found == [False, False, True], "it belongs to a run that lives, by its number or as its first process"
        assert sweep(mark, leader=0) >= 1  # and the other with it, if it became ours soon enough
        process.wait(10)
        assert not stray(process.pid), "it is gone"
    finally:
        process.kill()
        process.communicate()
        with suppress(ProcessLookupError):
            os.kill(grandchild, signal.SIGKILL)
        with suppress(ChildProcessError):  # whoever adopted it
            os.waitpid(grandchild, 0)


def test_a_process_of_the_servers_own_is_no_stray_whatever_its_number(stranger: subprocess.Popen[bytes]) -> None:
    number(stranger.pid, Mark.new().number)
    assert not stray(stranger.pid)


def test_what_is_killed_is_looked_at_once_more(stranger: subprocess.Popen[bytes]) -> None:
    """Its number may have been given to another process since it was found."""
    descendants._kill(stranger.pid, Mark.new())
    mark = Mark.new()
    number(stranger.pid, mark.number)
    with pytest.raises(subprocess.TimeoutExpired):
        stranger.wait(0.05)
    before = set(os.listdir("/proc/self/fd"))
    descendants._kill(stranger.pid, mark)
    assert stranger.wait(10) == -9
    assert set(os.listdir("/proc/self/fd")) <= before


def test_where_there_is_no_list_of_processes_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    assert descendants.count(Mark(resource.getrlimit(resource.RLIMIT_RSS)[1])) == 0


async def test_without_handles_of_processes_nothing_is_said_to_be_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert not await clear(Mark.new(), leader=0)


async def test_what_outlives_its_end_is_given_up_after_a_while_in_which_nothing_spins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweeps: list[int] = []
    monkeypatch.setattr(descendants, "sweep", lambda *_: len(sweeps) < 5_000 and not sweeps.append(1))
    monkeypatch.setattr(descendants, "_SWEEPING", 0.2)
    async with asyncio.timeout(20):
        assert not await clear(Mark.new(), leader=0)
    assert 2 <= len(sweeps) <= 12, "1, 2, 4, 8, 16, 32 and then 50 milliseconds"
