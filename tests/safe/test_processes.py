"""A run ends in time, within its bounds, and leaves no process, zombie or descriptor, however it ends."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import gc
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import UnsafeCommand
from holdfast.safe import processes
from holdfast.safe.descendants import Mark
from holdfast.safe.handle import current_scope
from holdfast.safe.launching import Bounds, Launch
from holdfast.safe.processes import Completed, _Pipes, _uninterrupted, run

BOUNDS = Bounds(seconds=20, output=1000)
TELL = "import os,sys,time,signal,subprocess\ndef tell(f):\n with open(f,'w') as o: o.write(str(os.getpid())+'\\n')\n"


def python(code: str, bounds: Bounds = BOUNDS, stdin: bytes | None = None) -> Launch:
    return Launch((sys.executable, "-I", "-c", TELL + code), (), bounds, stdin=stdin)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Where a program says that it runs: reading blocks until it does."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def told(fifo: Path) -> int:
    """The process id that was told, waited for at most 30 s, so that a program that never starts is a failure."""
    descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert select.select([descriptor], [], [], 30)[0]
        return int(os.read(descriptor, 64))
    finally:
        os.close(descriptor)


def alive(pid: int) -> bool:
    """A zombie counts."""
    return Path(f"/proc/{pid}").exists()


def children() -> set[str]:
    """Our children, zombies included."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(os.getpid()):
            found.add(entry.parent.name)
    return found


async def test_both_outputs_and_the_status_are_reported() -> None:
    completed = await run(python("print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (completed.returncode, completed.stdout, completed.stderr) == (3, b"out\n", b"err\n")
    assert not completed.truncated
    assert not completed.timed_out
    assert 0 < completed.wall < 20


async def test_output_of_exactly_the_bound_is_whole_and_one_byte_more_ends_the_program() -> None:
    whole = await run(python("sys.stdout.write('x'*600); sys.stderr.write('y'*400)"))
    assert (len(whole.stdout), len(whole.stderr), whole.truncated) == (600, 400, False)
    cut = await run(python("sys.stdout.write('x'*1001)"))
    assert (len(cut.stdout), cut.truncated) == (1000, True)


async def test_a_program_that_never_stops_writing_is_killed_at_the_bound() -> None:
    completed = await run(python("while True: os.write(1, b'x'*65536)"))
    assert completed.truncated
    assert len(completed.stdout) == 1000
    assert completed.returncode == -9
    assert completed.wall < 10


async def test_a_program_that_ignores_sigterm_is_killed_after_a_short_grace() -> None:
    code = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    completed = await run(python(code, replace(BOUNDS, seconds=0.5)))
    assert completed.timed_out
    assert completed.returncode == -9
    assert completed.stdout in (b"ready\n", b"")
    assert completed.wall < 3


async def test_a_program_may_tidy_up_on_sigterm() -> None:
    code = "def end(*_): print('tidy', flush=True); os._exit(0)\nsignal.signal(signal.SIGTERM, end)\ntime.sleep(60)"
    completed = await run(python(code, replace(BOUNDS, seconds=2.5)))  # a busy machine is slow to start a program
    assert completed.timed_out
    assert completed.stdout == b"tidy\n"


async def test_large_stdin_and_a_program_that_does_not_read_it() -> None:
    echoed = await run(python("print(len(sys.stdin.buffer.read()))", stdin=bytes(1 << 20)))
    assert echoed.stdout == b"1048576\n"
    assert (await run(python("os.close(0); print('no')", stdin=bytes(1 << 20)))).stdout == b"no\n"
    assert (await run(python("print(len(sys.stdin.buffer.read()))", stdin=b""))).stdout == b"0\n"


ESCAPES = {
    "a child in its group": "subprocess.Popen([sys.executable,'-c',CHILD])",
    "a setsid child": "subprocess.Popen([sys.executable,'-c',CHILD], start_new_session=True)",
    "a setsid child with an empty environment": (
        "subprocess.Popen([sys.executable,'-I','-c',CHILD], start_new_session=True, env={})"
    ),
    "a daemon that forked twice": (
        "\nif os.fork()==0:\n os.setsid()\n if os.fork()==0:\n  "
        "os.execve(sys.executable,[sys.executable,'-c',CHILD],{})\n os._exit(0)\nos.wait()"
    ),
    "a child that closed all its pipes": (
        "subprocess.Popen([sys.executable,'-c',CHILD], start_new_session=True, stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL)"
    ),
}


@pytest.mark.parametrize("way", ESCAPES)
@pytest.mark.parametrize("end", ["", "time.sleep(60)"])
async def test_nothing_outlives_the_run(way: str, end: str, fifo: Path) -> None:
    child = TELL + f"tell({str(fifo)!r})\ntime.sleep(600)"
    done = fifo.with_name("done")
    os.mkfifo(done)
    code = f"CHILD={child!r}\n{ESCAPES[way]}\nopen({str(done)!r}).read()\n{end}"
    before = children()

    def meet() -> int:
        pid = told(fifo)
        done.write_text("go")
        return pid

    running = asyncio.create_task(run(python(code, replace(BOUNDS, seconds=3.0 if end else 20.0))))
    pid = await asyncio.to_thread(meet)
    completed = await running
    assert completed.timed_out == bool(end)
    assert not alive(pid)
    assert children() == before


async def test_cancelling_the_awaiting_task_leaves_nothing(fifo: Path) -> None:
    child = TELL + f"tell({str(fifo)!r})\ntime.sleep(600)"
    before = children()
    code = f"subprocess.Popen([sys.executable,'-c',{child!r}], start_new_session=True)\ntime.sleep(600)"
    task = asyncio.create_task(run(python(code)))
    pid = await asyncio.to_thread(told, fifo)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # an impatient caller
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(pid)
    assert children() == before


async def test_closing_the_call_that_a_run_belongs_to_ends_it(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closers: list[Callable[[], None]] = []
    signals: list[tuple[int, int]] = []

    class Scope:
        def own(self, close: Callable[[], None]) -> Callable[[], None]:
            closers.append(close)
            return close

    token = current_scope.set(Scope())
    task = asyncio.create_task(run(python(f"tell({str(fifo)!r})\ntime.sleep(600)")))
    current_scope.reset(token)
    await asyncio.to_thread(told, fifo)
    closers[0]()
    completed = await task
    assert completed.returncode == -9
    monkeypatch.setattr(os, "killpg", lambda *signal: signals.append(signal))
    closers[0]()
    assert signals == [], "its number may be a stranger's by now"


async def test_a_call_forgets_a_run_that_is_over() -> None:
    forgotten: list[bool] = []

    class Scope:
        def own(self, close: Callable[[], None]) -> Callable[[], None]:
            return lambda: forgotten.append(True)

    token = current_scope.set(Scope())
    try:
        await run(python("pass"))
    finally:
        current_scope.reset(token)
    assert forgotten == [True]


async def test_many_runs_leave_no_descriptor_and_no_zombie() -> None:
    await run(python("pass"))
    gc.collect()  # what another test left
    before = len(os.listdir("/proc/self/fd")), children(), asyncio.all_tasks()
    await asyncio.gather(*(run(python("print(1)", stdin=b"x")) for _ in range(20)))
    await run(python("pass"))
    assert not [thread for thread in threading.enumerate() if thread.name == "holdfast-command"]
    assert (len(os.listdir("/proc/self/fd")), children()) == before[:2]
    assert asyncio.all_tasks() == before[2]


async def test_a_run_leaves_the_servers_other_children_alone() -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        await run(python("pass"))
        assert other.poll() is None
    finally:
        assert other.communicate(b"\n") == (None, None)
    assert other.returncode == 0


async def test_a_kernel_without_pidfds_still_ends_and_reaps_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    before = children()
    assert (await run(python("print(1)"))).stdout == b"1\n"
    assert (await run(python("time.sleep(60)", replace(BOUNDS, seconds=0.2)))).timed_out
    assert children() == before


async def test_draining_takes_what_is_there_and_does_not_wait_for_who_still_holds_the_pipe() -> None:
    words = [sys.executable, "-c", "import os; os.write(1, b'x' * 10); os.write(2, b'y'); input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        pipes = _Pipes(process, b"", 100)
        os.set_blocking(process.stderr.fileno(), True)  # type: ignore[union-attr]
        assert os.read(process.stderr.fileno(), 1) == b"y"  # type: ignore[union-attr]
        os.set_blocking(process.stderr.fileno(), False)  # type: ignore[union-attr]
        pipes.drain()
        assert bytes(pipes.stdout) == b"x" * 10
        assert not pipes.truncated
        loop = asyncio.get_running_loop()
        held = process.stdin.fileno(), process.stdout.fileno()  # type: ignore[union-attr]
        pipes.close()
        assert not loop.remove_writer(held[0]), "whoever gets that number next is not watched in its place"
        assert not loop.remove_reader(held[1])


async def test_draining_takes_more_than_one_read_can() -> None:
    widen = f"import os,fcntl; fcntl.fcntl(1, {fcntl.F_SETPIPE_SZ}, 1 << 20)"
    code = widen + "; os.write(1, bytes(300_000)); os.write(2, b'y')"
    words = [sys.executable, "-I", "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.read(1) == b"y"
        pipes = _Pipes(process, b"", 1 << 20)
        pipes.drain()
        assert len(pipes.stdout) == 300_000
        pipes.close()


async def test_what_a_program_left_in_its_pipes_when_it_ended_is_still_read(
    fifo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object, **__: object) -> bool:
        return True

    monkeypatch.setattr(processes, "clear", at_once)  # nothing to clear; or else the loop would read on meanwhile
    big = f"import fcntl\nfcntl.fcntl(1, {fcntl.F_SETPIPE_SZ}, 1 << 20)\nos.write(1, b'x' * 900_000)\n"
    task = asyncio.create_task(run(python(f"{big}tell({str(fifo)!r})\nos._exit(0)", replace(BOUNDS, output=1 << 20))))
    await asyncio.sleep(0)
    pid = told(fifo)  # the loop does nothing until it has ended
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    completed = await task
    assert (len(completed.stdout), completed.truncated) == (900_000, False)


async def test_an_output_that_was_closed_is_not_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []
    look = _Pipes._read

    def counted(self: _Pipes, file: Any) -> bool:
        looks.append(file)
        return look(self, file)

    monkeypatch.setattr(_Pipes, "_read", counted)
    assert (await run(python("os.close(1); os.close(2); time.sleep(0.2)"))).returncode == 0
    assert len(looks) < 20


async def test_a_standard_input_that_was_sent_is_watched_no_more() -> None:
    for _ in range(2):  # the second gets the numbers of the first
        bounds = replace(BOUNDS, seconds=5.0)
        completed = await run(python("print(len(sys.stdin.buffer.read()))", bounds, stdin=b"x"))
        assert completed.stdout == b"1\n"


async def test_a_program_that_cannot_be_watched_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    watch, watched = loop.add_reader, []

    def scarce(descriptor: int, *arguments: Any) -> None:
        watched.append(descriptor)
        if len(watched) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # epoll_ctl(2): the user's watches are used up
        watch(descriptor, *arguments)

    before = children(), len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "add_reader", scarce)
        with pytest.raises(OSError, match="No space"):
            await run(python(f"time.sleep(2)\nopen({str(tmp_path / 'ran')!r}, 'w')", stdin=b"x"))
    assert (children(), len(os.listdir("/proc/self/fd"))) == before
    assert not loop.remove_reader(watched[0])
    assert not (tmp_path / "ran").exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "holdfast-command"]


async def test_a_program_is_awaited_without_a_thread_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[object] = []
    monkeypatch.setattr(os, "waitid", lambda *arguments: waited.append(arguments))
    assert (await run(python("print(1)"))).stdout == b"1\n"
    assert waited == []


async def test_a_program_stuck_in_the_kernel_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck: list[Any] = []

    async def never_ends(pid: int) -> None:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            stuck.append("let go")
            raise

    def not_yet(process: Any) -> None:
        stuck.append(process)

    with monkeypatch.context() as patch:
        patch.setattr(processes, "_ended", never_ends)
        patch.setattr(processes, "_DYING", 0.05)
        patch.setattr(subprocess.Popen, "poll", not_yet)
        completed = await run(python("pass", replace(BOUNDS, seconds=0.2)))
    process, last = stuck
    process.wait()
    assert (completed.returncode, completed.timed_out, last) == (-9, True, "let go")


async def test_processes_are_counted_now_and_then_and_as_many_as_allowed_may_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = iter([2, 2, 3])
    monkeypatch.setattr(processes, "count", lambda mark: next(counts, 3))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.timeout(5):
        await processes._crowded(Mark.new(), 2)
    assert next(counts, None) is None
    assert loop.time() - begun > 0.4


async def test_who_is_cancelled_while_a_run_is_cleaned_up_is_told_afterwards() -> None:
    go, done = asyncio.Event(), []

    async def work() -> None:
        await go.wait()
        done.append(True)

    task = asyncio.create_task(_uninterrupted(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]


@pytest.mark.parametrize(
    "completed, code",
    [
        (Completed(-15, b"x", b"secret", False, True, 1.0), "command.timeout"),
        (Completed(-9, b"x", b"secret", True, False, 1.0), "command.output"),
        (Completed(-9, b"x", b"secret", False, False, 1.0, crowded=True), "command.processes"),
        (Completed(1, b"x", b"secret", False, False, 1.0), "command.failed"),
    ],
)
def test_text_says_why_there_is_none_and_never_what_the_program_complained_of(completed: Completed, code: str) -> None:
    with pytest.raises(UnsafeCommand) as caught:
        completed.text()
    assert caught.value.code == code
    assert "secret" not in caught.value.message
    assert completed.text(check=False) == "x"


def test_text_that_is_not_utf8_is_replaced() -> None:
    assert Completed(0, b"\xff", b"", False, False, 1.0).text() == "\ufffd"


async def test_a_program_that_was_killed_is_dead_before_what_it_left_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead: list[bool] = []

    async def looked(mark: Mark, leader: int) -> bool:
        dead.append(os.waitid(os.P_PID, leader, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None)
        return True

    def slowly(pid: int, number: int) -> None:
        asyncio.get_running_loop().call_later(0.2, killed, pid, number)

    killed = os.killpg
    monkeypatch.setattr(os, "killpg", slowly)  # as a program that holds much memory is slow to go
    monkeypatch.setattr(processes, "clear", looked)
    assert (await run(python("time.sleep(60)", replace(BOUNDS, seconds=0.5)))).timed_out
    assert dead == [True]
