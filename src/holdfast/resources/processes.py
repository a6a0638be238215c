"""Ends child processes: never a stranger's, and without taking an exit status from whoever waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess  # nosec B404 - nothing is started here, only ended
import sys
import time
from dataclasses import dataclass
from typing import Any

LOOK_EVERY = 0.002
"""Seconds between looks at a process that is just being started by another thread."""


@dataclass(slots=True)
class Child:
    """A process that a call started. ``reaped_elsewhere``: asyncio's child watcher waits for it, not we."""

    popen: subprocess.Popen[Any]
    reaped_elsewhere: bool = False

    def over(self) -> bool:
        """Whether it is known to have ended; takes no exit status from anybody."""
        return self.popen.returncode is not None

    def starting(self) -> bool:
        """Whether it has no number yet: another thread is starting it, or failed to."""
        return self.popen.returncode is None and getattr(self.popen, "pid", None) is None

    def kill(self) -> int | None:
        """Kill it, and its process group if it leads one; return a descriptor that becomes readable at its end.

        None when it had ended already. The descriptor is opened before looking whether the process is ours, so that
        its number cannot pass to a stranger between the look and the signal.
        """
        if self.over() or self.starting():
            return None
        try:
            fd = os.pidfd_open(self.popen.pid)
        except ProcessLookupError:
            return None
        if not _is_our_running_child(fd):
            os.close(fd)
            return None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(self.popen.pid) == self.popen.pid:
                os.killpg(self.popen.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        return fd

    def kill_by_number(self) -> bool:  # pragma: no cover - macOS, Windows and Linux before 5.4
        """Without descriptors of processes: look that it is our unreaped child, then signal the number."""
        if self.over() or self.starting():
            return False
        if sys.platform == "win32":
            self.popen.kill()
            return True
        with contextlib.suppress(OSError):
            if os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                os.kill(self.popen.pid, signal.SIGKILL)
                return True
        return False

    def reap(self) -> None:
        """Take the exit status if that is ours to take."""
        if not self.reaped_elsewhere and not self.starting():
            self.popen.poll()


def _is_our_running_child(fd: int) -> bool:
    """Look without reaping (WNOWAIT), so that a child watcher still finds the status."""
    try:
        return os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:  # reaped by a watcher, or the number went to a stranger
        return False


def has_descriptors() -> bool:
    """Whether the kernel has descriptors of processes that can be waited for (Linux 5.4)."""
    try:
        fd = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):  # pragma: no cover - macOS, Windows and Linux before 5.3
        return False
    try:
        os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # it understood: we are not our own child
        return True
    except (AttributeError, OSError):  # pragma: no cover - Linux 5.3
        pass
    finally:
        os.close(fd)
    return False  # pragma: no cover - Linux 5.3


async def end(children: list[Child], patience: float) -> int:
    """Kill the children that still run and wait at most ``patience`` seconds for their end; return how many ran."""
    limit = time.monotonic() + patience
    while any(child.starting() for child in children) and time.monotonic() < limit:  # noqa: ASYNC110 - Popen has no event
        await asyncio.sleep(LOOK_EVERY)
    if not has_descriptors():  # pragma: no cover - macOS, Windows and Linux before 5.4
        return sum([child.kill_by_number() for child in children])
    ends = [fd for child in children if (fd := child.kill()) is not None]
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, limit - time.monotonic())):
                for fd in ends:
                    await _readable(fd)
    finally:
        for fd in ends:
            os.close(fd)
        for child in children:
            child.reap()
    return len(ends)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)
