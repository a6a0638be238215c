"""Find and end every process that a run left behind, even one that left its process group, session and parent."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import secrets
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

from holdfast.safe.blocking import in_thread

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
    """What a run's processes inherit and cannot easily shed: a random number as their RLIMIT_RSS, and a variable.

    Linux ignores RLIMIT_RSS since 2.4.30 (setrlimit(2)), every descendant inherits it through fork, exec and setsid,
    and none can raise it again. A variable alone is lost by ``env -i``.
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
            return resource.prlimit(pid, resource.RLIMIT_RSS)[1] == self.number
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


def sweep(mark: Mark, leader: int) -> int:
    """Kill and reap what carries ``mark``, except the ``leader`` (whoever started it reaps it). Returns how many."""
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != leader and mark.on(int(name)):
            found += 1
            _kill(int(name), mark)
            with suppress(ChildProcessError):
                os.waitpid(int(name), os.WNOHANG)
    return found


def _kill(pid: int, mark: Mark) -> None:
    """Through a pidfd and after a second look: a number that the kernel gave away meanwhile is not killed."""
    with suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(pid)
        try:
            if mark.on(pid):
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
