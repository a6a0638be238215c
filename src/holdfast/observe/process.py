"""The process's own memory, descriptors and threads, read from /proc or psutil when asked."""

from __future__ import annotations

import contextlib
import os
import threading


def measure() -> dict[str, float]:
    """Return ``resident_memory_bytes``, ``open_fds`` and ``threads``; what cannot be read is left out."""
    out = {"threads": float(threading.active_count())}
    with contextlib.suppress(OSError, ImportError):  # neither /proc nor psutil: a dashboard shows the metric as absent
        out["resident_memory_bytes"] = float(resident_bytes())
    with contextlib.suppress(OSError):
        out["open_fds"] = float(open_descriptors())
    return out


def resident_bytes() -> int:
    """Return the resident set size in bytes: /proc/self/statm (1.5 us), else psutil. Raises OSError, ImportError."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        import psutil  # type: ignore[import-untyped,unused-ignore]  # ships no types

        return int(psutil.Process().memory_info().rss)


def open_descriptors() -> int:
    """Return how many descriptors the process holds (tens of microseconds). Raises OSError without /proc."""
    return len(os.listdir("/proc/self/fd")) - 1  # less the one that lists
