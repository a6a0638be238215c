"""Run a started program to its end: bounded output, one deadline, and nothing left behind however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess  # nosec B404  # only the type of what launching starts
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from holdfast.errors import UnsafeCommand
from holdfast.safe.blocking import in_thread
from holdfast.safe.descendants import Mark, adopt_orphans, clear, count
from holdfast.safe.handle import own
from holdfast.safe.launching import Launch, Starter

_GRACE = 0.2
"""Seconds between SIGTERM and SIGKILL when the deadline passes."""
_DYING = 2.0
"""Seconds to wait for the end of a killed process; only one inside the kernel takes longer."""
_FIRST_COUNT, _NEXT_COUNT = 0.05, 0.2
"""Seconds until a run's processes are counted (most runs are over by then), and between counts; one takes 0.5 ms."""
_CHUNK = 65536
"""Bytes a read: a pipe's capacity on Linux (pipe(7))."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended. ``returncode`` is minus the signal's number when a signal ended it; ``wall`` in seconds.

    ``truncated``: more was written than the bound on both outputs together, and the program was killed for it.
    ``crowded``: so it was for having more processes at one time than allowed. ``ok``: statuses that mean success.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    timed_out: bool
    wall: float
    crowded: bool = False
    ok: tuple[int, ...] = (0,)

    def text(self, *, check: bool = True) -> str:
        """The standard output as text (bytes that are not UTF-8 replaced).

        With ``check``, raises ``UnsafeCommand``: ``command.timeout``, ``.output``, ``.processes`` or ``.failed``. What
        the program wrote to its standard error is never in the message; see ``stderr``.
        """
        if check and self.timed_out:
            raise UnsafeCommand("the program did not end in time; ask for less", code="command.timeout")
        if check and self.truncated:
            raise UnsafeCommand("the program wrote more than is allowed; ask for less", code="command.output")
        if check and self.crowded:
            raise UnsafeCommand("the program started more processes than are allowed", code="command.processes")
        if check and self.returncode not in self.ok:
            raise UnsafeCommand(f"the program failed with status {self.returncode}", code="command.failed")
        return self.stdout.decode("utf-8", "replace")


class _Pipes:
    """The parent's ends of the program's pipes, read up to one common bound, without blocking."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes | None, bound: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._input, self._left = memoryview(stdin or b""), bound
        self.over = self._loop.create_future()
        self.stdout, self.stderr = bytearray(), bytearray()
        self._files = [file for file in (process.stdin, process.stdout, process.stderr) if file is not None]
        outputs = [file for file in self._files if file is not process.stdin]
        self._into = dict(zip(outputs, (self.stdout, self.stderr), strict=True))
        try:
            self._watch(process.stdin)
        except BaseException:  # no descriptor of it may stay watched: its number will be another's
            self.close()
            raise

    def _watch(self, stdin: Any) -> None:
        for file in self._files:
            os.set_blocking(file.fileno(), False)
        for file in self._into:
            self._loop.add_reader(file.fileno(), self._read, file)
        if stdin is not None:
            self._loop.add_writer(stdin.fileno(), self._write, stdin)

    @property
    def truncated(self) -> bool:
        return self.over.done()

    def _read(self, file: Any) -> bool:
        """Take what is there; returns whether there may be more."""
        try:
            data = os.read(file.fileno(), min(_CHUNK, self._left + 1))
        except BlockingIOError:
            return False
        if not data or self.over.done():
            self._loop.remove_reader(file.fileno())
            return False
        self._into[file] += data[: self._left]
        if len(data) > self._left:
            self.over.set_result(None)
        self._left = max(0, self._left - len(data))
        return not self.over.done()

    def _write(self, file: Any) -> None:
        try:
            self._input = self._input[os.write(file.fileno(), self._input[:_CHUNK]) :] if self._input else self._input
        except BlockingIOError:  # pragma: no cover - the loop said that the pipe takes more
            return
        except BrokenPipeError:
            self._input = memoryview(b"")
        if not self._input:
            self._loop.remove_writer(file.fileno())
            file.close()

    def drain(self) -> None:
        """Read what the dead left in the pipes."""
        for file in self._into:
            while self._read(file):
                pass

    def close(self) -> None:
        for file in self._files:
            if not file.closed:
                self._loop.remove_reader(file.fileno())
                self._loop.remove_writer(file.fileno())
                file.close()


class _Run:
    """One program from its start to the reaping of its last descendant."""

    def __init__(self, launch: Launch) -> None:
        self._loop = asyncio.get_running_loop()
        self._mark = Mark.new()
        adopt_orphans()
        self._starter = Starter(launch, self._mark)
        self._process = self._starter.begin()
        try:
            self._pipes = _Pipes(self._process, launch.stdin, launch.bounds.output)
        except BaseException:  # no descriptor left to watch it with: then it does not run
            self._process.kill()
            self._process.wait()
            self._starter.end()
            raise
        self._ended = asyncio.ensure_future(_ended(self._process.pid))
        self._crowd = asyncio.ensure_future(_crowded(self._mark, launch.bounds.processes))
        self._seconds = launch.bounds.seconds

    async def to_the_end(self) -> Completed:
        started, timed_out, close = self._loop.time(), False, self._kill
        try:
            close = own(self._kill)  # may refuse, and the rest is still to be cleaned up
            watched = {self._ended, self._pipes.over, self._crowd}
            done, _ = await asyncio.wait(watched, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            timed_out = not done
            if timed_out:
                self._signal(signal.SIGTERM)
                await asyncio.wait({self._ended}, timeout=_GRACE)
        finally:
            crowded = self._crowd.done()
            self._kill()
            try:
                await _uninterrupted(self._clean_up())
            finally:
                close()
        return Completed(
            returncode=-signal.SIGKILL if self._process.returncode is None else self._process.returncode,
            stdout=bytes(self._pipes.stdout),
            stderr=bytes(self._pipes.stderr),
            truncated=self._pipes.truncated,
            timed_out=timed_out,
            wall=self._loop.time() - started,
            crowded=crowded,
        )

    def _signal(self, number: int) -> None:
        """To the whole group. Its number cannot have gone to strangers: we reap the leader last."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def _clean_up(self) -> None:
        try:
            await asyncio.wait({self._ended}, timeout=_DYING)
            await clear(self._mark, leader=self._process.pid)
            self._pipes.drain()
        finally:
            self._pipes.close()
            self._ended.cancel()
            self._crowd.cancel()
            self._process.poll()
            self._starter.end()
        await asyncio.wait({self._ended, self._crowd})


async def _ended(pid: int) -> None:
    """Return when the process has ended, without reaping it: its number stays taken until its group is gone."""
    if not hasattr(os, "pidfd_open"):
        await in_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return
    loop = asyncio.get_running_loop()
    descriptor, end = os.pidfd_open(pid), loop.create_future()
    loop.add_reader(descriptor, end.cancel)  # readable from now on: cancelling may be repeated, a result may not
    try:
        await asyncio.wait({end})
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _crowded(mark: Mark, most: int) -> None:
    """Return when more processes than ``most`` carry the mark; counted, since nothing tells."""
    pause = _FIRST_COUNT
    while True:
        await asyncio.sleep(pause)
        if await in_thread(count, mark) > most:
            return
        pause = _NEXT_COUNT


async def _uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` (bounded in time) to its end, and only then let a cancellation through."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return task.result()


async def run(launch: Launch) -> Completed:
    """Run to the end. The run is over when its *first* process ends: whatever that left running is killed and reaped.

    The same happens at the deadline (SIGTERM, 0.2 s, SIGKILL), at the bound on output, when the awaiting task is
    cancelled, and when the call that it belongs to is closed. Raises ``UnsafeCommand`` when it could not be started.
    """
    return await _Run(launch).to_the_end()
