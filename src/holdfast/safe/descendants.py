"""Find and end every process that a run left behind, even one that left its process group, session and parent."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import secrets
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass

from holdfast.safe.blocking import in_thread
from holdfast.safe.confine import TAG

if sys.platform != "win32":
    import resource

_PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h."""
_SWEEPING = 2.0
"""Seconds after which survivors (in an uninterruptible system call) are logged and left to the subreaper."""
ENVIRONMENT = "HOLDFAST_RUN"

_log = logging.getLogger(__name__)


def adopt_orphans() -> bool:
    """Make this process the new parent of its orphaned descendants, so that it can reap them. Costs about 1 us.

    Asked for at every run because the kernel does not hand the setting to forked workers. Returns whether it holds.
    """
    if sys.platform != "linux":  # pragma: no cover - other systems have no subreaper
        _log.warning("orphans of commands cannot be adopted on this system: only process groups are ended")
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a run's processes inherit: a random number as their RLIMIT_RSS, and a variable.

    Linux ignores RLIMIT_RSS since 2.4.30 (setrlimit(2)), every descendant inherits it through fork, exec and setsid,
    and none can raise it again. A variable alone is lost by ``env -i``. One who lowers the number is a ``stray``.
    """

    number: int

    @classmethod
    def new(cls) -> Mark:
        """A mark below the limit that this process itself may give (2**62 unless it was lowered)."""
        hard = resource.getrlimit(resource.RLIMIT_RSS)[1]
        top = 2**62 if hard == resource.RLIM_INFINITY else max(hard, 2)
        return cls(top // 2 + secrets.randbelow(top // 2))

    @property
    def variable(self) -> str:
        """The value of ``HOLDFAST_RUN``."""
        return f"{self.number:x}"

    def on(self, pid: int) -> bool:
        """Whether the process carries this mark (a zombie still does)."""
        try:
            return number_of(pid) == self.number
        except PermissionError:
            return self._in_environment(pid)
        except (OSError, ValueError):  # gone meanwhile
            return False

    def _in_environment(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return f"{ENVIRONMENT}={self.variable}".encode() in file.read(65536).split(b"\0")
        except OSError:
            return False


class Marked(threading.Thread):
    """The thread that a run's program was started by; lives as long as the run, so that the living are known."""

    mark: Mark
    leader: int = 0


def number_of(pid: int) -> int:
    """The RLIMIT_RSS of a process. Raises ``OSError`` or ``ValueError``."""
    return resource.prlimit(pid, resource.RLIMIT_RSS)[1]


def stray(pid: int) -> bool:
    """Whether this is an orphan of ours that began as a command and shed the mark of its run.

    Such a process was adopted by us, still has the ``TAG`` (the filter refuses to change it) and a number that no
    living run gave. Whatever the server itself started has no tag; a program that is just starting has no number yet.
    """
    try:
        number = number_of(pid)
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
        if parent != os.getpid() or number == resource.getrlimit(resource.RLIMIT_RSS)[1]:
            return False
        with open(f"/proc/{pid}/personality", encoding="ascii") as file:
            tagged = int(file.read(), 16) & TAG == TAG
    except (OSError, ValueError, IndexError):  # gone meanwhile, or not ours to look at
        return False
    living = [thread for thread in threading.enumerate() if isinstance(thread, Marked)]  # after the number was read
    return tagged and not any(thread.leader == pid or thread.mark.number == number for thread in living)


def _processes() -> list[int]:
    if not os.path.isdir("/proc"):  # pragma: no cover - other systems than Linux
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def count(mark: Mark) -> int:
    """How many processes carry ``mark``."""
    return sum(mark.on(pid) for pid in _processes())


def sweep(mark: Mark, leader: int) -> int:
    """Kill and reap what carries ``mark``, except the ``leader`` (whoever started it reaps it). Returns how many."""
    found = 0
    for pid in _processes():
        if pid != leader and (mark.on(pid) or stray(pid)):
            found += 1
            _kill(pid, mark)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    return found


def _kill(pid: int, mark: Mark) -> None:
    """Through a pidfd and after a second look: a number that the kernel gave away meanwhile is not killed."""
    with suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(pid)
        try:
            if mark.on(pid) or stray(pid):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)


async def clear(mark: Mark, leader: int) -> bool:
    """Sweep until nothing is found; returns whether all was cleared within two seconds."""
    if not hasattr(os, "pidfd_open"):  # pragma: no cover - Linux before 5.3 and other systems
        return False
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + _SWEEPING, 0.001
    while await in_thread(sweep, mark, leader):
        if loop.time() > until:  # pragma: no cover - needs a process stuck inside the kernel
            _log.warning("a command's process outlived SIGKILL")
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True
