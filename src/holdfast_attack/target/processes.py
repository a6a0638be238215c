"""The table of processes of this machine: one look at all of them, and what a single one holds.

A look reads /proc/*/stat on Linux (2 ms for a hundred processes) and asks psutil elsewhere. Whatever cannot be read, as
a process ended in the meantime or is not ours, is left out or None: nothing here raises.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import psutil

_OWN = (b"Pss_Anon:", b"Pss_Shmem:")
"""Lines of smaps_rollup (Linux 5.4) that add up to what is a process's own."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One process, as it was seen in one look.

    ``rss`` in bytes, pages shared with others included; ``cpu`` in seconds since it began; ``session`` 0 where unknown.
    """

    pid: int
    parent: int
    session: int
    began: float
    zombie: bool
    threads: int
    rss: int
    cpu: float


Table: TypeAlias = Mapping[int, Sight]


def table() -> Table:
    """All processes of this machine that we may see."""
    return _of_proc() if sys.platform == "linux" else _of_psutil()


def _of_proc() -> Table:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found: dict[int, Sight] = {}
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        with contextlib.suppress(OSError):  # it ended in the meantime
            stat = _bytes(f"/proc/{name}/stat")
            # proc(5): the name in brackets may hold brackets and spaces; the fields behind the last bracket do not.
            fields = stat[stat.rindex(b")") + 2 :].split()
            found[int(name)] = Sight(
                pid=int(name),
                parent=int(fields[1]),
                session=int(fields[3]),
                began=int(fields[19]) / ticks,
                zombie=fields[0] in b"ZXx",
                threads=int(fields[17]),
                rss=int(fields[21]) * page,
                cpu=(int(fields[11]) + int(fields[12])) / ticks,
            )
    return found


def _of_psutil() -> Table:
    found: dict[int, Sight] = {}
    wanted = ["pid", "ppid", "create_time", "status", "num_threads", "memory_info", "cpu_times"]
    for process in psutil.process_iter(wanted):
        known = process.info
        memory, spent = known["memory_info"], known["cpu_times"]
        found[process.pid] = Sight(
            pid=process.pid,
            parent=known["ppid"] or 0,
            session=_session(process.pid),
            began=known["create_time"] or 0.0,
            zombie=known["status"] == psutil.STATUS_ZOMBIE,
            threads=known["num_threads"] or 0,
            rss=memory.rss if memory is not None else 0,
            cpu=spent.user + spent.system if spent is not None else 0.0,
        )
    return found


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (OSError, AttributeError):  # gone, not ours, or Windows, which has none
        return 0


def own_memory(one: Sight) -> int:
    """What is its own in bytes, by smaps_rollup; RSS where that is missing or not ours to read."""
    try:
        lines = _bytes(f"/proc/{one.pid}/smaps_rollup").splitlines()
    except OSError:
        return one.rss
    parts = [int(line.split()[1]) * 1024 for line in lines if line.startswith(_OWN)]
    return sum(parts) if parts else one.rss


def _bytes(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def descriptors(pid: int) -> int | None:
    """Open descriptors, or handles on Windows; None when it will not tell."""
    try:
        if sys.platform == "linux":
            return len(os.listdir(f"/proc/{pid}/fd"))
        process = psutil.Process(pid)
        return process.num_handles() if sys.platform == "win32" else process.num_fds()
    except (OSError, psutil.Error):
        return None
