"""Ends what a supervisor leaves behind when it is killed itself: a process beside it that waits for nothing else.

Workers die with their parent, but what they had started does not: it becomes a child of init, in whatever session and
group. So all of it carries a mark, and whoever outlives the supervisor looks for that.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

if sys.platform != "win32":
    import resource

_LOCKS: Final = 10
"""RLIMIT_LOCKS of asm-generic/resource.h: means nothing since Linux 2.4.25 (getrlimit(2)), and goes through fork, exec
and setsid like any limit. RLIMIT_RSS, which means nothing either, marks what single calls start (safe.descendants)."""
_BITS: Final = 31
_LOW: Final = 2**_BITS - 1
_PR_SET_NAME: Final = 15
"""linux/prctl.h."""
NAME: Final = b"holdfast-guard"
"""As ps(1) shows it; at most 15 bytes."""
_ENDING: Final = 2.0
"""Seconds after which what outlives SIGKILL, inside the kernel, is left alone."""
MOST: Final = 100
"""Guardians of one supervisor: somebody who kills more of them wants to do without."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A number that no process can raise again. Its upper half is the outermost supervisor's, its lower half that of a
    supervisor which a tool of that one runs, so that each finds all that is below it and nothing above."""

    number: int

    @classmethod
    def new(cls) -> Mark | None:
        """One below what this process carries; ``None`` where there is no room for it."""
        carried = resource.getrlimit(_LOCKS)[1]
        own = 1 + secrets.randbelow(_LOW - 1)
        if carried == resource.RLIM_INFINITY:
            return cls(own << _BITS | _LOW)
        if carried >> _BITS and carried & _LOW == _LOW:
            return cls(carried - _LOW + own)
        return None

    def put(self) -> None:
        """Let this process and all that it starts carry it."""
        resource.setrlimit(_LOCKS, (self.number, self.number))

    def on(self, pid: int) -> bool:
        """Whether a process carries it, or one that is below it."""
        try:
            found = resource.prlimit(pid, _LOCKS)[1]
        except (OSError, ValueError):  # gone meanwhile, or another user's
            return False
        if self.number & _LOW == _LOW:
            return found >> _BITS == self.number >> _BITS
        return bool(found == self.number)


class Guardian:
    """Of one supervisor, which starts it before anything else and again when somebody kills it."""

    def __init__(self) -> None:
        self.pid = 0
        self.mark = Mark.new() if hasattr(os, "pidfd_open") else None
        self._started = 0

    def start(self) -> None:
        """Fork it, unless there can be none."""
        if self.mark is None or self._started >= MOST:
            return
        self._started += 1
        with suppress(OSError):  # no process to be had: then the supervisor goes on without
            waited_for = os.pidfd_open(os.getpid())
            try:
                self.pid = os.fork()
                if not self.pid:
                    _guard(waited_for, self.mark)
            finally:
                os.close(waited_for)


def _guard(supervisor: int, mark: Mark) -> None:  # pragma: no cover - runs in the guardian, see tests
    """Wait for the end of the supervisor, and end what it has left. Never returns."""
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # it ends when the supervisor does, and not before
        _let_go_of_all_but(supervisor)
        _call(NAME)
        waiting = select.poll()
        waiting.register(supervisor, select.POLLIN)
        waiting.poll()
        ends = time.monotonic() + _ENDING
        while end_marked(mark) and time.monotonic() < ends:
            time.sleep(0.002)
    finally:
        os._exit(0)


def _let_go_of_all_but(kept: int) -> None:  # pragma: no cover - as above
    """Whoever reads at the other end of a pipe must not wait for this process."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            with suppress(OSError):
                os.close(int(name))
    os.chdir("/")


def _call(name: bytes) -> None:  # pragma: no cover - as above
    import ctypes

    libc: Any = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NAME, name)


def end_marked(mark: Mark) -> int:
    """Kill all that carries the mark, each through a descriptor and after a second look; returns how many."""
    found = [int(name) for name in os.listdir("/proc") if name.isdigit() and mark.on(int(name)) and not _dead(name)]
    for pid in found:
        with suppress(OSError):
            descriptor = os.pidfd_open(pid)
            try:
                if mark.on(pid):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)
    return len(found)


def _dead(pid: str) -> bool:
    """A zombie carries its limits until somebody takes note of its end."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True
