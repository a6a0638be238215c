"""Python's faulthandler on stderr: where a process stood that was aborted, or whose interpreter was held by C code."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable
from contextlib import suppress

from holdfast.watchdog.watch import Aside

STDERR = 2
"""The descriptor itself: ``sys.stderr`` may be anything, and whoever writes there at a fault may not run Python."""


def _nowhere() -> None:
    return None


class FaultReports:
    """Enabled while the server runs, unless somebody else has done it before: then it is theirs, and left alone.

    ``expect`` starts a timer in a thread of C, which fires while the interpreter is held and no Python thread can run.
    Starting it anew costs 52 us (measured), so whoever beats 20 times a second does it once a second.
    """

    def __init__(self, aside: Callable[[], Aside | None] = _nowhere) -> None:
        self.ours = False
        self._aside = aside

    def start(self) -> None:
        """Have a fault, or SIGABRT, tell on stderr where every thread stood."""
        if not faulthandler.is_enabled():
            with suppress(OSError, RuntimeError, ValueError):  # no stderr: then there is nobody to tell
                faulthandler.enable(STDERR, all_threads=True)
                self.ours = True

    def move(self) -> None:
        """Have faults told aside from now on: whoever reads that shows it on stderr too."""
        aside = self._aside()
        if self.ours and aside is not None:
            faulthandler.enable(aside.fd, all_threads=True)

    def expect(self, seconds: float) -> None:
        """Show all stacks in ``seconds``, unless this is called again before then: on stderr, or, where somebody reads
        them when this process is lost, aside, and on stderr with the next call of this."""
        if self.ours:
            aside = self._aside()
            if aside is not None and (report := aside.take()):
                with suppress(OSError):
                    os.write(STDERR, report)
            faulthandler.dump_traceback_later(seconds, file=STDERR if aside is None else aside.fd)

    def spare(self) -> None:
        """Somebody else has shown the stacks, or nothing is watched any more."""
        if self.ours:
            faulthandler.cancel_dump_traceback_later()

    def stop(self) -> None:
        """Leave all as it was."""
        if self.ours:
            self.spare()
            self.ours = False
            faulthandler.disable()
