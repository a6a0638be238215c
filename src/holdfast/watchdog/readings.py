"""What is read besides memory and calls: descriptors, threads, tasks, disks, and the loop's lag."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from holdfast.observe.process import open_descriptors
from holdfast.watchdog.watch import Reading

FALLBACK_LIMIT = 1_024
"""Descriptors of a process where nobody sets a limit, or it cannot be asked for."""


def descriptors(count: Callable[[], int] = open_descriptors) -> Reading:
    """The share of the soft limit of descriptors that is open; the limit is asked for each time, as it may move."""
    opened, limit = count(), descriptor_limit()
    return Reading(opened / limit, {"open": opened, "allowed": limit})


def descriptor_limit() -> int:
    """The soft limit of descriptors."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return FALLBACK_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FALLBACK_LIMIT if soft == resource.RLIM_INFINITY else max(1, soft)


def threads() -> Reading:
    """Python's threads."""
    return Reading(threading.active_count())


def tasks() -> Reading:
    """Tasks of the running loop that have not ended (a millisecond for 10,000 of them)."""
    return Reading(len(asyncio.all_tasks()))


def lag(worst: Callable[[], float]) -> Callable[[], Reading]:
    """The loop's worst lag since the last look, in seconds."""
    return lambda: Reading(worst())


def disks(folders: Mapping[str, Path]) -> Callable[[], Reading]:
    """The used share of the fullest disk among ``folders``; says by its name which it is. May block."""

    def read() -> Reading:
        used = {}
        for name, folder in folders.items():
            usage = shutil.disk_usage(_existing(folder))
            used[name] = (1 - usage.free / usage.total if usage.total else 0.0, usage.free)
        worst = max(used, key=lambda name: used[name][0])
        return Reading(used[worst][0], {"disk": worst, "free": used[worst][1]})

    return read


def _existing(folder: Path) -> Path:
    """The folder, or what of its path exists: it may have been taken away while the server runs."""
    return next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
