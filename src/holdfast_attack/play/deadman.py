"""Ends the whole process when even its event loop is stuck: the last bound on the time of a run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast_attack.target.premises import Premises

GRACE = 60.0
"""Seconds after its limit that a run gets to end by itself; ending takes a second or two."""
STUCK = 70
"""Exit status: an internal error (sysexits, EX_SOFTWARE)."""


@contextmanager
def bounded(seconds: float, premises: Premises) -> Iterator[None]:
    """While entered, the process ends ``GRACE`` after so many seconds, with nothing of the run left behind."""
    timer = threading.Timer(seconds + GRACE, _end, (premises,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(premises: Premises) -> None:
    os.write(2, b"holdfast: the run is stuck and was ended; please report this with the command\n")
    premises.leave()
    os._exit(STUCK)
