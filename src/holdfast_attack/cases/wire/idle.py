"""Whether a server still works on what it was sent: silence counts when it does not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from holdfast_attack.link.stdio import Heard, StdioSession
from holdfast_attack.target.tree import Tree

LOOK = 0.05
"""Seconds between two looks."""
LOOKS = 5
"""Looks in a row in which nothing ran."""
AGAIN = 10
"""Looks after which the processes are counted anew: that reads the whole table of them."""
LONGEST = 8.0
"""Seconds after which a server that is never idle is not waited for any longer."""
_RUNNING = b"RD"


@dataclass(slots=True)
class Idle:
    """Tells whether a tree of processes has used no time, and wanted none, at some looks in a row."""

    tree: Tree | None
    _pids: tuple[int, ...] = field(default=(), init=False)
    _looks: int = field(default=0, init=False)
    _spent: float = field(default=-1.0, init=False)
    _quiet: int = field(default=0, init=False)

    def look(self) -> bool:
        """Whether it has been idle for long enough; a tree that cannot be seen is."""
        if self.tree is None:
            return True
        if self._looks % AGAIN == 0:
            self._pids = self.tree.pids()
        self._looks += 1
        used = [_used(pid) for pid in self._pids]
        spent, wants = sum(time for time, _ in used), any(wants for _, wants in used)
        self._quiet = self._quiet + 1 if spent == self._spent and not wants else 0
        self._spent = spent
        return self._quiet >= LOOKS


def _used(pid: int) -> tuple[float, bool]:
    """Ticks that it has used, and whether a thread of it wants to run or waits for the disk."""
    spent, wants = 0.0, False
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return _of_psutil(pid)
    for thread in threads:
        with suppress(OSError, ValueError, IndexError):  # it ended in the meantime
            with open(f"/proc/{pid}/task/{thread}/stat", "rb", buffering=0) as file:
                stat = file.read()
            parts = stat[stat.rindex(b")") + 2 :].split()  # proc(5): state first, utime and stime are the 14th and 15th
            spent += int(parts[11]) + int(parts[12])
            wants = wants or parts[0] in _RUNNING
    return spent, wants


def _of_psutil(pid: int) -> tuple[float, bool]:
    """The same where there is no /proc."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return times.user + times.system, process.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
    except psutil.Error:
        return 0.0, False


async def wait_out(session: StdioSession, wanted: Callable[[dict[str, Any]], bool], least: float) -> Heard | None:
    """A message that is wanted; None when none came for ``least`` seconds and the server has nothing to do any more.

    A fixed time would be too short on a loaded machine, for a server that loads half of itself when it is first asked
    something unusual.
    """
    idle = Idle(session.tree)
    heard = await session.wait(wanted, least)
    end = time.monotonic() + LONGEST
    while heard is None and not session.ended and not idle.look() and time.monotonic() < end:
        heard = await session.wait(wanted, LOOK)
    return heard
