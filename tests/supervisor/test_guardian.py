"""Whoever kills a supervisor leaves nothing behind: what its workers had started ends with it."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.supervised import GUARDIAN, SERVER, name_of, state_of, supervised, until

from holdfast.supervisor import guardian
from holdfast.supervisor.guardian import Guardian, Mark, end_marked

DETACHING = (
    SERVER
    + '''
@server.tool(read_only=True, limits=wide)
async def detach() -> int:
    """Start a process that belongs to no call, in a session of its own."""
    words = [sys.executable, "-c", "import time; time.sleep(600)"]
    return os.posix_spawn(sys.executable, words, {}, setsid=True)
'''
)
LOCKS = 10
LOW = 2**31 - 1


def gone(pid: int) -> bool:
    return state_of(pid) in ("", "Z")


def test_a_process_that_left_its_parent_session_and_environment_ends_with_a_killed_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path, DETACHING) as kept:
        started, guard = kept.call("detach"), kept.guardian()
        everybody = kept.children()
        kept.process.kill()
        until(lambda: gone(started))
        until(lambda: all(gone(pid) for pid in (*everybody, guard)))


def test_the_guardian_holds_nothing_of_the_clients_and_is_there_again_when_it_was_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, DETACHING) as kept:
        first, serving = kept.guardian(), kept.worker()
        assert {os.readlink(each.path) for each in os.scandir(f"/proc/{first}/fd")} <= {
            "/dev/null",
            "anon_inode:[pidfd]",
        }
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(first, number)
        os.kill(first, signal.SIGKILL)
        until(lambda: [pid for pid in kept.children() if name_of(pid) == GUARDIAN and pid != first])
        started = kept.call("detach")
        assert kept.worker() == serving
        kept.process.kill()
        until(lambda: gone(started))


def test_an_end_in_good_order_leaves_no_guardian(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        guard = kept.guardian()
        assert kept.leave() == 0
        assert state_of(guard) == "", "reaped: not even a zombie is left to whoever is init"


@pytest.fixture
def carrying() -> Iterator[Any]:
    """Starts processes that carry a mark."""
    started: list[subprocess.Popen[bytes]] = []

    def start(number: int) -> subprocess.Popen[bytes]:
        def put() -> None:
            resource.setrlimit(LOCKS, (number, number))

        words = [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"]
        process = subprocess.Popen(words, preexec_fn=put, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_supervisor_within_another_is_ended_with_it_and_never_the_other_way(carrying: Any) -> None:
    own = 1 + secrets.randbelow(LOW - 2)  # another run of these tests on this machine must not be hit
    outer, inner = Mark(own << 31 | LOW), Mark(own << 31 | 7)
    below, beside, deep = carrying(outer.number), carrying(own + 1 << 31 | LOW), carrying(inner.number)
    assert [inner.on(process.pid) for process in (below, beside, deep)] == [False, False, True]
    assert [outer.on(process.pid) for process in (below, beside, deep)] == [True, False, True]
    assert end_marked(inner) == 1
    assert deep.wait(10) == -signal.SIGKILL
    assert below.poll() is None
    assert end_marked(outer) == 1
    assert below.wait(10) == -signal.SIGKILL
    assert beside.poll() is None
    assert end_marked(outer) == 0


def test_a_zombie_and_a_process_that_is_no_more_need_no_end(carrying: Any) -> None:
    mark = Mark((1 + secrets.randbelow(LOW - 1)) << 31 | LOW)
    process = carrying(mark.number)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert end_marked(mark) == 0
    assert not mark.on(2**22 + 1)
    assert guardian._dead("0")


def test_a_mark_lies_below_the_one_that_is_carried_and_there_are_two_floors(monkeypatch: pytest.MonkeyPatch) -> None:
    def within(carried: int) -> Mark | None:
        monkeypatch.setattr(guardian.resource, "getrlimit", lambda _which: (carried, carried))
        return Mark.new()

    outer = within(resource.RLIM_INFINITY)
    assert outer is not None
    assert outer.number & LOW == LOW
    inner = within(outer.number)
    assert inner is not None
    assert 0 < inner.number & LOW < LOW
    assert inner.number >> 31 == outer.number >> 31
    assert within(inner.number) is None
    assert within(1_000) is None, "somebody else's limit"


def test_where_there_can_be_no_guardian_the_supervisor_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    without = Guardian()
    without.start()
    assert (without.mark, without.pid) == (None, 0)
    monkeypatch.undo()

    def refuse() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    refused = Guardian()
    for _ in range(guardian.MOST + 5):
        refused.start()
    assert (refused.pid, refused._started) == (0, guardian.MOST)
