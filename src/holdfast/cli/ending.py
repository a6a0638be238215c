"""Ends a command that looks at an author's file, whatever that file does: a loop at its top, or threads that stay."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from holdfast.cli.entry import USAGE


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """End the process when an import or a check never does: a file that is looked at may hold any loop."""
    timer = threading.Timer(seconds, _too_slow, (seconds,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _too_slow(seconds: float) -> None:
    message = f"holdfast: the check took more than {seconds:g} s: is there a loop at the top of the file? (--timeout)\n"
    os.write(2, message.encode())  # whatever the file has made of sys.stderr
    os._exit(USAGE)


def leave_threads(before: frozenset[threading.Thread], status: int) -> None:
    """End the process with ``status`` when there are threads that it would wait for, other than ``before``."""
    if all(thread.daemon or thread in before for thread in threading.enumerate()):
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none: nothing can be said there
            stream.flush()
    os._exit(status)
