"""The end of a worker as its parent takes it: who is to blame, what the next one is told, and when it may begin."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from holdfast.supervisor.deaths import Intensity, judged
from holdfast.supervisor.journal import tell
from holdfast.supervisor.worker import Child, Task

FAILURES: Final = 3
"""Workers in a row that end before they are ready: then the fault is not in a call, and there is no point in more."""


class Losses:
    """Of one parent, for as long as it lives."""

    def __init__(self) -> None:
        self._intensity = Intensity()
        self._failures = 0
        self._ooms = oom_kills()

    def none(self) -> None:
        """A worker is ready: whatever ended those before it is over."""
        self._failures = 0

    def never_ready(self, number: int, status: int) -> float | None:
        """A worker ended before it was ready. Seconds until the next may try; ``None``: there is no point in it."""
        self._failures += 1
        if number and self._failures < FAILURES:
            return 2.0 ** (self._failures - 1)
        if number:
            tell("gave_up", "error", why="workers end before they are ready", status=status)
        return None

    def lost(self, child: Child, status: int, number: int, suspects: Sequence[str], now: float) -> tuple[Task, float]:
        """A worker that served is gone. What its successor is told, and the seconds until that one may begin."""
        ooms, self._ooms = self._ooms, oom_kills()
        killed_for_memory = status == -signal.SIGKILL and self._ooms > ooms
        lived = now - (child.ready_at or now)
        death = judged(status, lived, ladder=child.ended_for, out_of_memory=killed_for_memory)
        pause = self._intensity.pause(now) if death.counts else 0.0
        facts = {"pid": child.pid, "why": death.reason, "lived": round(death.lived, 3), "blamed": death.blamed}
        tell("worker_lost", "error", **facts, restart_in=pause)
        return Task(number, death.blamed, death.reason, tuple(suspects)), pause


def oom_kills() -> int:
    """How often the kernel has killed for want of memory."""
    with suppress(OSError, ValueError, IndexError), open("/proc/vmstat", encoding="ascii") as file:
        return int(file.read().partition("oom_kill ")[2].split()[0])
    return 0
