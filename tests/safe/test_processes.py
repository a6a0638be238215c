"""A run ends in time, within its bounds, and leaves no process, zombie or descriptor, however it ends."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.errors import UnsafeCommand
from holdfast.safe.handle import current_scope
from holdfast.safe.launching import Bounds, Launch
from holdfast.safe.processes import Completed, _Pipes, run

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
    completed = await run(python(code, replace(BOUNDS, seconds=1.0)))
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


async def test_closing_the_call_that_a_run_belongs_to_ends_it(fifo: Path) -> None:
    closers: list[Callable[[], None]] = []

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
    closers[0]()  # harmless afterwards


async def test_many_runs_leave_no_descriptor_and_no_zombie() -> None:
    await run(python("pass"))
    before = len(os.listdir("/proc/self/fd")), children()
    await asyncio.gather(*(run(python("print(1)", stdin=b"x")) for _ in range(20)))
    assert (len(os.listdir("/proc/self/fd")), children()) == before


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
        pipes.close()


@pytest.mark.parametrize(
    "completed, code",
    [
        (Completed(-15, b"x", b"secret", False, True, 1.0), "command.timeout"),
        (Completed(-9, b"x", b"secret", True, False, 1.0), "command.output"),
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
