"""Ends what a worker has left behind: those are the parent's own children by then, however they were started."""

from __future__ import annotations

import os
import signal
from collections.abc import Container
from contextlib import suppress
from pathlib import Path


def children() -> list[int]:
    """The children of this process, zombies included."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:  # a kernel built without it
        return _by_parent(os.getpid())
    return [int(pid) for pid in listed.split()]


def _by_parent(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                facts = Path(f"/proc/{name}/stat").read_text(encoding="ascii", errors="replace")
                if int(facts.rpartition(")")[2].split()[1]) == parent:
                    found.append(int(name))
    return found


def sweep(spared: Container[int]) -> list[int]:
    """Kill every child that is not ``spared``, and return which. Each one's children come to us when it is reaped."""
    ended = [pid for pid in children() if pid not in spared]
    for pid in ended:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return ended


class Remains:
    """What lost workers have left, ended generation by generation: first their processes, then what those had started.

    Remembers no more processes than it has killed and not seen reaped.
    """

    def __init__(self) -> None:
        self._doomed: set[int] = set()

    def end(self, spared: Container[int]) -> None:
        """Kill every child that is not ``spared``."""
        self._doomed.update(sweep(spared))

    def reaped(self, pid: int, spared: Container[int]) -> None:
        """A child that was no worker is gone; if it was killed here, what it had started is ours from now on."""
        if pid in self._doomed:
            self._doomed.remove(pid)
            self.end(spared)


def reap() -> list[tuple[int, int]]:
    """Every child that has ended, with its exit status, a signal below zero; orphans among them."""
    gone = []
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            gone.append((ended[0], os.waitstatus_to_exitcode(ended[1])))
    return gone
