"""The tree of a server: who belongs to it, what all of them use together, and who vanishes while one looks."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest

from holdfast_attack.target import owner as owners
from holdfast_attack.target import processes
from holdfast_attack.target.owner import owner_of
from holdfast_attack.target.processes import Sight, Table, table
from holdfast_attack.target.tree import Tree

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")
FAMILY = """
import subprocess, sys, os
pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
child = subprocess.Popen([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)"], **pipe)
child.stdout.readline()
said = child.pid
print(said, flush=True)
for line in sys.stdin:
    exec(line)
    print(said, flush=True)
"""


class Started:
    """A root that does what it is told, and has one child that waits."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", FAMILY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.child = self._said()
        self.pid = self.process.pid

    def do(self, code: str) -> int:
        """The number that the code has left in ``said``."""
        assert self.process.stdin is not None
        self.process.stdin.write(code + "\n")
        self.process.stdin.flush()
        return self._said()

    def _said(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture
def started() -> Iterator[Started]:
    one = Started()
    yield one
    with suppress(OSError):
        os.killpg(one.pid, signal.SIGKILL)
    one.process.kill()
    one.process.communicate()


def gone(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(5)


def sight(pid: int, parent: int = 1, **other: object) -> Sight:
    known: dict[str, object] = {"session": 0, "began": 1.0, "zombie": False, "threads": 1, "rss": 100, "cpu": 0.0}
    return Sight(pid=pid, parent=parent, **(known | other))  # type: ignore[arg-type]


class Shown:
    """A table of processes that a test sets."""

    def __init__(self, *sights: Sight) -> None:
        self.set(*sights)

    def set(self, *sights: Sight) -> None:
        self.sights = {one.pid: one for one in sights}

    def __call__(self) -> Table:
        return self.sights


def test_a_root_and_all_that_descends_from_it_belong_to_the_tree() -> None:
    tree = Tree(10, Shown(sight(7), sight(10), sight(11, 10), sight(5, 11), sight(20)))
    assert tree.pids() == (10, 5, 11)
    assert tree.children() == (5, 11)


def test_one_that_lost_its_parent_still_belongs_and_so_do_its_children() -> None:
    shown = Shown(sight(10), sight(11, 10))
    tree = Tree(10, shown)
    assert tree.pids() == (10, 11)
    shown.set(sight(10), sight(11, 1), sight(12, 11))
    assert tree.pids() == (10, 11, 12)
    shown.set(sight(12, 1))
    assert tree.pids() == (12,)


def test_one_of_the_roots_session_belongs_although_nobody_saw_its_parent() -> None:
    shown = Shown(sight(10, session=10))
    tree = Tree(10, shown)
    shown.set(sight(11, 1, session=10), sight(12, 1, session=3))
    assert tree.pids() == (11,)


def test_a_session_that_the_root_does_not_lead_makes_nobody_a_member() -> None:
    assert Tree(10, Shown(sight(10, session=3), sight(3, session=3), sight(4, session=3))).pids() == (10,)


def test_a_pid_that_another_process_uses_now_does_not_belong() -> None:
    shown = Shown(sight(10), sight(11, 10))
    tree = Tree(10, shown)
    assert tree.pids() == (10, 11)
    shown.set(sight(10, began=2.0), sight(11, began=2.0), sight(12, 10))
    assert tree.pids() == ()


def test_a_root_that_was_never_there_has_no_tree_and_no_figures() -> None:
    tree = Tree(10, Shown())
    assert (tree.pids(), tree.rss(), tree.peak(), tree.threads(), tree.descriptors()) == ((), None, None, None, None)


def test_processes_whose_parents_are_each_other_are_looked_at_once() -> None:
    assert Tree(10, Shown(sight(10, 11), sight(11, 10))).pids() == (10, 11)


def test_what_ended_after_its_parent_is_nobodys_zombie_in_the_tree() -> None:
    shown = Shown(sight(10, session=10))
    tree = Tree(10, shown)
    shown.set(sight(10, zombie=True, session=10), sight(11, 1, zombie=True, session=10))
    assert tree.zombies() == ()


def test_zombies_are_no_running_processes() -> None:
    tree = Tree(10, Shown(sight(10, threads=3), sight(11, 10, zombie=True)))
    assert (tree.pids(), tree.zombies(), tree.threads()) == ((10,), (11,), 3)


def test_a_tree_that_was_large_from_the_start_is_measured_by_rss_and_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "own_memory", lambda one: 1)
    shown = Shown(sight(10, rss=2**30))
    large, small = Tree(10, shown), Tree(10, Shown(sight(10)))
    assert (large.rss(), small.rss()) == (2**30, 1)
    shown.set(sight(10, rss=100))
    assert large.rss() == 100


@LINUX
def test_memory_without_a_proportional_figure_is_the_resident_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Tree(2**22 + 1, Shown(sight(2**22 + 1, rss=77))).rss() == 77
    monkeypatch.setattr(processes, "_bytes", lambda path: b"Rss: 3 kB\n")
    assert Tree(10, Shown(sight(10, rss=78))).rss() == 78


def test_a_child_that_its_parent_left_is_found_again(started: Started) -> None:
    tree = Tree(started.pid)
    assert tree.pids() == (started.pid, started.child)
    os.kill(started.pid, signal.SIGKILL)
    started.process.wait()
    assert tree.pids() == (started.child,)


def test_a_child_that_ended_and_was_not_waited_for_is_a_zombie(started: Started) -> None:
    tree = Tree(started.pid)
    os.kill(started.child, signal.SIGKILL)
    started.do("os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)")
    assert (tree.zombies(), tree.pids()) == ((started.child,), (started.pid,))
    started.do("child.wait()")
    assert tree.zombies() == ()


def test_memory_descriptors_and_threads_grow_with_what_is_used(started: Started) -> None:
    tree = Tree(started.pid)
    memory, descriptors, threads = tree.rss(), tree.descriptors(), tree.threads()
    assert memory is not None
    assert descriptors is not None
    assert threads == 2
    started.do("held = bytearray(b'x' * 33554432); files = [os.open('/', os.O_RDONLY) for _ in range(20)]")
    started.do(
        "import threading; [threading.Thread(target=threading.Event().wait, daemon=True).start() for _ in '123']"
    )
    assert 30_000_000 < (tree.rss() or 0) - memory < 40_000_000
    assert tree.descriptors() == descriptors + 20
    assert tree.threads() == 5
    started.do("del held")
    assert (tree.rss() or 0) - memory < 8_000_000
    assert (tree.peak() or 0) - memory > 30_000_000


@LINUX
def test_pages_that_a_forked_worker_shares_count_once(started: Started) -> None:
    started.do("held = bytearray(b'x' * 33554432)")
    tree = Tree(started.pid)
    before = tree.rss() or 0
    started.do("os.fork() or __import__('signal').pause()")
    assert len(tree.pids()) == 3
    assert (tree.rss() or 0) - before < 8_000_000


async def test_processors_count_as_busy_while_somebody_works_and_not_while_all_wait(started: Started) -> None:
    tree = Tree(started.pid)
    assert await tree.busy(0.2) < 0.05
    spin = (
        "exec('def spin():\\n while True: pass'); import threading; threading.Thread(target=spin, daemon=True).start()"
    )
    await asyncio.to_thread(started.do, spin)
    async with asyncio.timeout(30):
        while await tree.busy(0.2) < 0.1:
            pass


async def test_a_watch_sees_memory_that_was_given_back_before_it_ended(started: Started) -> None:
    tree = Tree(started.pid)
    async with tree.watch(0.001) as watched:
        before = watched.peak
        assert before is not None
        await asyncio.to_thread(started.do, "held = bytearray(b'x' * 33554432)")
        looks = watched.looks
        async with asyncio.timeout(10):
            while watched.looks < looks + 2:
                await asyncio.sleep(0)
        await asyncio.to_thread(started.do, "del held")
    assert watched.peak > before + 30_000_000
    assert watched.looks >= 3


async def test_a_watch_of_what_is_gone_ends_with_nothing(started: Started) -> None:
    tree = Tree(started.pid)
    os.killpg(started.pid, signal.SIGKILL)
    started.process.wait()
    gone(started.child)
    async with tree.watch() as watched:
        pass
    assert watched.peak is None


async def test_a_watch_ends_with_its_block_whatever_happened_in_it() -> None:
    with pytest.raises(ValueError, match="why"):
        async with Tree(os.getpid()).watch():
            raise ValueError("why")
    assert len(asyncio.all_tasks()) == 1


def test_descriptors_that_one_process_will_not_tell_are_unknown(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[[int], int | None] = processes.descriptors
    monkeypatch.setattr(processes, "descriptors", lambda pid: None if pid == started.child else real(pid))
    assert Tree(started.pid).descriptors() is None


@LINUX
def test_psutil_tells_the_same_of_a_tree_as_proc_does(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    by_proc = {one.pid: one for one in Tree(started.pid).look()}
    monkeypatch.setattr(sys, "platform", "darwin")
    tree = Tree(started.pid)
    by_psutil = {one.pid: one for one in tree.look()}
    assert by_proc.keys() == by_psutil.keys() == {started.pid, started.child}
    for pid, one in by_psutil.items():
        other = by_proc[pid]
        assert (one.parent, one.session, one.zombie, one.threads) == (
            other.parent,
            other.session,
            other.zombie,
            other.threads,
        )
    assert tree.descriptors() == Tree(started.pid).descriptors()


def test_a_process_that_psutil_may_not_look_into_has_empty_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    info = {"ppid": None, "create_time": None, "status": None, "num_threads": None}
    info |= {"memory_info": None, "cpu_times": None}
    process = SimpleNamespace(pid=2**22 + 1, info=info)
    monkeypatch.setattr(psutil, "process_iter", lambda wanted: [process])
    monkeypatch.setattr(sys, "platform", "darwin")
    assert table() == {process.pid: sight(process.pid, 0, began=0.0, threads=0, rss=0)}


@LINUX
def test_whoever_listens_on_a_port_owns_it(started: Started) -> None:
    port = started.do("import socket; s = socket.create_server(('127.0.0.1', 0)); said = s.getsockname()[1]")
    assert owner_of(port) == started.pid


@LINUX
def test_of_those_that_share_a_socket_the_one_above_the_others_owns_it(started: Started) -> None:
    port = started.do("import socket; s = socket.create_server(('127.0.0.1', 0)); said = s.getsockname()[1]")
    started.do("os.fork() or __import__('signal').pause()")
    assert owner_of(port) == started.pid


def test_a_port_that_nobody_listens_on_has_no_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert owner_of(port) is None


@LINUX
def test_a_port_of_another_user_has_no_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert owner_of(server.getsockname()[1]) == os.getpid()
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        assert owner_of(server.getsockname()[1]) is None


def test_where_the_system_does_not_tell_nobody_owns_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    assert owner_of(80) is None


def test_an_owner_that_ends_while_it_is_looked_at_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = SimpleNamespace(status=psutil.CONN_LISTEN, laddr=SimpleNamespace(port=80), pid=2**22 + 1)
    monkeypatch.setattr(psutil, "net_connections", lambda kind: [ended])
    assert owner_of(80) is None
    assert owners._topmost(2**22 + 1, 80) == 2**22 + 1
