"""One call's tracker: what it opened, started and spawned, closed in order when the call ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess  # nosec B404 - nothing is started here
from collections.abc import Callable
from functools import partial
from math import inf
from time import perf_counter, thread_time
from typing import Any, NamedTuple

from holdfast.errors import Busy
from holdfast.resources.processes import Child, end

MAX_OWNED = 10_000
"""Handles, and running tasks, of one call: each."""
MAX_CHILDREN = 1_000
"""Child processes of one call that run at the same time."""
PATIENCE = 0.05
"""Seconds that cancelled tasks, and then killed processes, get to end."""
SAMPLE_EVERY = 1.0
"""Seconds between two counts of descriptors: a count lists /proc/self/fd, tens of microseconds."""
FRESH = 0.001
"""Seconds for which a reading of the thread's CPU clock, a system call of up to 2.5 us, serves the calls that begin."""
BRIEF = 0.000_25
"""Seconds; a call that was over sooner has used no more CPU than that, and the CPU clock is not read for it."""


class Usage(NamedTuple):
    """What a call used.

    ``wall`` and ``cpu`` are seconds. ``cpu`` is the time of the thread that started and finished the tracker: with
    calls interleaved on one event loop it holds their share too, and it holds nothing of worker threads and
    processes. An upper bound for the loop's part, good for finding tools that hog the loop, not for billing: it is
    never too low, never more than ``wall``, and up to a millisecond too high, because the CPU clock is read once for
    the calls that begin within one millisecond, and for a call shorter than 0.25 ms ``wall`` stands in for it.
    ``closed_handles``, ``tasks_left`` and ``processes_left`` were left behind and ended by ``close``;
    ``tasks_stuck`` of the tasks ignored it. ``descriptors`` is the change of the whole process's open descriptors,
    sampled, and None unless the call was alone in the process from start to finish.
    """

    wall: float
    cpu: float
    bytes_in: int
    bytes_out: int
    closed_handles: int
    tasks_left: int
    tasks_stuck: int
    processes_left: int
    descriptors: int | None


_made: Callable[[type[Usage], tuple[Any, ...]], Usage] = tuple.__new__
"""As ``Usage(...)``, in a third of its time."""


class Occupancy:
    """How many calls run in the process; shared by its trackers, so that one knows whether it was alone.

    Also what they need not find out anew: a recent reading of the CPU clock of the thread that runs them, and when
    descriptors are to be counted again. Belongs to one event loop.
    """

    __slots__ = ("cpu", "cpu_read", "running", "sample_at", "started")

    def __init__(self) -> None:
        self.running = 0
        self.started = 0
        self.cpu = 0.0
        self.cpu_read = -inf
        self.sample_at = -inf


class Tracker:
    """A ``holdfast.safe.handle.Scope``: one per call, set as ``current_scope`` while the call runs.

    ``own`` may be called from any thread; everything else on the loop. ``bytes_in`` and ``bytes_out`` are set by
    whoever counts them.
    """

    __slots__ = (
        "_alone", "_children", "_closed", "_cpu", "_descriptors", "_handles", "_left", "_occupancy",
        "_stuck", "_tasks", "_wall", "bytes_in", "bytes_out",
    )  # fmt: skip

    def __init__(self, occupancy: Occupancy | None = None) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self._closed = False
        self._handles: dict[object, Callable[[], None]] = {}
        self._tasks: dict[asyncio.Future[Any], None] = {}  # a set that is cheaper to make
        self._children: dict[subprocess.Popen[Any], Child] = {}
        self._occupancy = occupancy
        self._descriptors: int | None = None
        self._left = (0, 0, 0)
        self._stuck = 0

    # -- what the call registers ---------------------------------------------------------------------------------------

    def own(self, close: Callable[[], None]) -> Callable[[], None]:
        """Close with the call; the returned function closes at once and forgets. Both are idempotent.

        After the call has ended ``close`` runs at once. Raises ``Busy``, having closed, past 10,000 open handles.
        """
        handles = self._handles
        key = object()
        handles[key] = close
        early = partial(_close_one, handles, key)
        if self._closed or len(handles) > MAX_OWNED:
            early()
            if not self._closed:
                raise Busy("this call holds too many open handles; close them as you go")
        return early

    def task(self, task: asyncio.Future[Any]) -> None:
        """Note a task that the call started; it is cancelled with the call, at once if the call has ended."""
        if self._closed:
            task.cancel()
            return
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._tasks.pop(task, None)

    def admit_task(self) -> None:
        """Raise ``Busy`` when the call runs too many tasks to start another."""
        if len(self._tasks) >= MAX_OWNED:
            raise Busy("this call runs too many tasks; await them as you go")

    def process(self, popen: subprocess.Popen[Any], *, reaped_elsewhere: bool = False) -> None:
        """Note a process that the call started, or is about to start; it is killed with the call.

        ``reaped_elsewhere`` when asyncio waits for it. Raises ``Busy`` past 1,000 that run, and after the call's end.
        """
        if len(self._children) >= MAX_CHILDREN:
            for child in [each for each in list(self._children.values()) if each.over()]:
                self._children.pop(child.popen, None)
        if self._closed or len(self._children) >= MAX_CHILDREN:
            raise Busy("this call may not start another process")
        self._children[popen] = Child(popen, reaped_elsewhere)

    # -- the call's life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The call begins."""
        occupancy = self._occupancy
        self._wall = now = perf_counter()
        if occupancy is None:
            self._cpu = thread_time()
            return
        occupancy.running += 1
        occupancy.started += 1
        self._alone = occupancy.started
        if now >= occupancy.sample_at and occupancy.running == 1:
            occupancy.sample_at = now + SAMPLE_EVERY
            self._descriptors = _open_descriptors()
        if now - occupancy.cpu_read >= FRESH:
            occupancy.cpu, occupancy.cpu_read = thread_time(), now
        self._cpu = occupancy.cpu

    def finish(self) -> Usage:
        """The call has ended; once, after ``close``, whose numbers it holds."""
        change, occupancy, now = None, self._occupancy, perf_counter()
        wall = cpu = now - self._wall
        if wall >= BRIEF or occupancy is None:
            read = thread_time()
            cpu = min(wall, read - self._cpu)
            if occupancy is not None:
                occupancy.cpu, occupancy.cpu_read = read, now
        if occupancy is not None:
            occupancy.running -= 1
            if self._descriptors is not None:
                change = self._descriptor_change(occupancy, self._descriptors)
        handles, tasks, processes = self._left
        told = (wall, cpu, self.bytes_in, self.bytes_out, handles, tasks, self._stuck, processes, change)
        return _made(Usage, told)

    def shut(self) -> bool:
        """The call is over: what is registered from now on ends at once. Return whether ``close`` has work to do."""
        self._closed = True
        return bool(self._tasks or self._children or self._handles)

    async def close(self) -> None:
        """End what was left: cancel tasks and wait 50 ms for them, kill processes, close handles, last first.

        Each by itself: a failure of one stops none of the others, and nothing is raised.
        """
        self._closed = True
        handles, tasks, processes = self._left
        try:
            if self._tasks:
                tasks += await self._end_tasks()
        finally:  # also when this is cancelled: what can be ended is ended
            try:
                if self._children:
                    processes += await end(list(self._children.values()), PATIENCE)
            finally:
                if self._handles:
                    handles += self._close_handles()
                self._left = (handles, tasks, processes)

    async def _end_tasks(self) -> int:
        current = asyncio.current_task()
        left = [each for each in self._tasks if not each.done() and each is not current]
        for each in left:
            each.cancel()
            each.add_done_callback(_look)
        if left:
            _, stuck = await asyncio.wait(left, timeout=PATIENCE)
            self._stuck = len(stuck)
        return len(left)

    def _close_handles(self) -> int:
        closed = 0
        while self._handles:
            _, close = self._handles.popitem()  # the last first; atomic, a thread may close early at the same time
            closed += 1
            with contextlib.suppress(Exception):  # foreign code: one that fails must not keep the others open
                close()
        return closed

    def _descriptor_change(self, occupancy: Occupancy, before: int) -> int | None:
        now = _open_descriptors() if occupancy.started == self._alone else None
        return None if now is None else now - before


def _close_one(handles: dict[object, Callable[[], None]], key: object) -> None:
    close = handles.pop(key, None)
    if close is not None:
        close()


def _look(done: asyncio.Future[Any]) -> None:
    """The task was cancelled because its call is over: how it ended interests nobody, asyncio need not complain."""
    if not done.cancelled():
        done.exception()


def _open_descriptors() -> int | None:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:  # pragma: no cover - no /proc on macOS and Windows
        return None
