"""Work for processes of its own: importable by name, as such work must be."""

from __future__ import annotations

import os
import time


def whereabouts(add: int) -> str:
    """Which process runs this."""
    return f"{os.getpid()} {add + 1}"


def spin(seconds: float) -> str:
    """Work too long."""
    time.sleep(seconds)
    return "late"


def crash() -> str:
    """End the process at once."""
    os._exit(3)


def fail() -> str:
    """Fail as ordinary code does."""
    raise ConnectionResetError("the world failed")
