"""Whose process listens on a port of this machine, so that a server which we did not start can be watched as well."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import psutil


def owner_of(port: int) -> int | None:
    """The process of our own user that listens on a TCP port; None when that is unknown.

    Of several that share a socket, such as a server and the workers that it forked, the one above the others. It reads
    the descriptors of all processes (some milliseconds, blocking): to be asked once.
    """
    try:
        listening = _listening(psutil.net_connections("tcp"), port)
    except (OSError, psutil.Error):  # macOS tells it to root only
        return None
    pids = (connection.pid for connection in listening if connection.pid is not None)
    found = next((pid for pid in pids if _ours(pid)), None)
    return None if found is None else _topmost(found, port)


def _topmost(pid: int, port: int) -> int:
    """Up from ``pid`` as long as the one above listens there too."""
    try:
        for above in psutil.Process(pid).parents():
            if not _listening(above.net_connections("tcp"), port):
                break
            pid = above.pid
    except (OSError, psutil.Error):
        return pid
    return pid


def _listening(connections: Iterable[Any], port: int) -> list[Any]:
    return [one for one in connections if one.status == psutil.CONN_LISTEN and one.laddr.port == port]


def _ours(pid: int) -> bool:
    try:
        return not hasattr(os, "getuid") or psutil.Process(pid).uids().real == os.getuid()
    except psutil.Error:
        return False
