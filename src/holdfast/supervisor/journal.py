"""The parent's own log lines: JSON, or words in a terminal, like those of the worker beside them."""

from __future__ import annotations

import json
import os
import select
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

_ATOMIC: Final = 4_096
"""Bytes that a writable pipe takes at once (PIPE_BUF, pipe(7))."""


def tell(event: str, level: str = "info", **facts: Any) -> None:
    """One line on standard error, written at once; where that is closed or full it is lost."""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if sys.stderr is not None and sys.stderr.isatty():
        words = " ".join(f"{name}={value}" for name, value in facts.items())
        line = f"{stamp} [{level}] supervisor: {event} {words}\n"
    else:
        line = json.dumps({"timestamp": stamp, "level": level, "event": f"supervisor.{event}", **facts}) + "\n"
    with suppress(OSError, ValueError):
        if select.select([], [2], [], 0)[1]:  # else nobody reads, and a supervisor that waits supervises nothing
            os.write(2, line.encode()[:_ATOMIC])
