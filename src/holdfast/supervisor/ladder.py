"""What is done about a worker whose loop stands still, from outside: a signal that interrupts, one that aborts, an end.

Only another process can do it: a thread of the worker is blind while C code holds the interpreter's lock.
"""

from __future__ import annotations

import signal
from typing import Final

from holdfast.supervisor.memory import BEAT, Memory
from holdfast.supervisor.worker import Child

RUNGS: Final = (10.0, 12.0, 13.0)
"""Seconds of a blocked loop before it is interrupted, aborted (faulthandler tells where it stood) and killed; measured
to end every kind of block (reliability.md)."""
_SHARES: Final = (1.0, 1.2, 1.3)
_SIGNALS: Final = (signal.SIGUSR2, signal.SIGABRT, signal.SIGKILL)
TICK: Final = 0.25
"""Seconds between looks."""
_GAP: Final = 2.0
"""Seconds between looks after which it was the machine, or this process, that stood still, and not the worker alone."""


def rungs(interrupt: float) -> list[float]:
    """The same for another first rung: ``watchdog.interrupt``."""
    return [interrupt * share for share in _SHARES]


class Ladder:
    """Looks at one worker's heartbeat, again and again."""

    def __init__(self, memory: Memory, now: float) -> None:
        self._words = memory.words
        self._looked = now
        self._excused = 0.0

    def look(self, child: Child, now: float) -> signal.Signals | None:
        """The signal to send to ``child`` at ``now``, if it is time for one; each is sent once for a block."""
        if now - self._looked > _GAP:
            self._excused = now
        self._looked = now
        turned = self._words[BEAT] / 1e9
        stood = now - max(turned, self._excused, child.ready_at or now)
        rungs = child.ladder or list(RUNGS)
        if stood < rungs[0]:
            child.climbed = 0
            return None
        due = sum(stood >= rung for rung in rungs)
        if due <= child.climbed:
            return None
        child.climbed += 1  # never two at once: what is aborted tells whose call it was in, and what is killed does not
        return _SIGNALS[child.climbed - 1]
