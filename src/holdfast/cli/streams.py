"""Keeps what an author's code prints out of a command's answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from holdfast.wire.claim import claim


@contextmanager
def diverted() -> Iterator[None]:
    """While entered, standard output goes to standard error and standard input is empty, also for child processes."""
    taken = claim()
    try:
        with redirect_stdout(sys.stderr):  # whoever keeps ``sys.stdout`` for later keeps the harmless one
            yield
    finally:
        flush()
        taken.release()


def flush() -> None:
    """Send what was printed to where standard output leads now, before it leads elsewhere."""
    if sys.stdout is not None:
        sys.stdout.flush()
