"""How many connections this process may hold at the same time."""

from __future__ import annotations

import contextlib
import os
import sys

SPARE = 200
"""Descriptors that everything else keeps."""
UNKNOWN = 400
"""Where the system does not tell."""


def room(wanted: int) -> int:
    """Make room for ``wanted`` connections, as far as this user may; returns for how many there is."""
    if sys.platform == "win32":
        return min(wanted, UNKNOWN)
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE + _open()
    if soft != resource.RLIM_INFINITY and soft < needed:
        more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(0, min(wanted, soft - SPARE - _open()))


def _open() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return UNKNOWN // 2
