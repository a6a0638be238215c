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

    def never_ready(self, child: Child, status: int, number: int, now: float) -> float | None:
        """A worker ended before it was ready. Seconds until the next may try; ``None``: there is no point in it.

        One that somebody killed says nothing of those that follow.
        """
        death = judged(status, 0.0, ladder=child.ended_for, out_of_memory=self._for_memory(status))
        if status == -signal.SIGKILL and not death.blamed:
            pause = self._intensity.pause(now)
            tell("worker_lost", "error", pid=child.pid, why=death.reason, lived=0.0, blamed=False, restart_in=pause)
            return pause
        self._failures += 1
        if number and self._failures < FAILURES:
            return 2.0 ** (self._failures - 1)
        if number:
            tell("gave_up", "error", why="workers end before they are ready", status=status)
        return None

    def lost(self, child: Child, status: int, number: int, suspects: Sequence[str], now: float) -> tuple[Task, float]:
        """A worker that served is gone. What its successor is told, and the seconds until that one may begin."""
        lived = now - (child.ready_at or now)
        death = judged(status, lived, ladder=child.ended_for, out_of_memory=self._for_memory(status))
        pause = self._intensity.pause(now) if death.counts else 0.0
        facts = {"pid": child.pid, "why": death.reason, "lived": round(death.lived, 3), "blamed": death.blamed}
        tell("worker_lost", "error", **facts, restart_in=pause)
        return Task(number, death.blamed, death.reason, tuple(suspects)), pause

    def _for_memory(self, status: int) -> bool:
        """Whether it was the kernel's own kill, for want of memory; to be asked once for each end."""
        before, self._ooms = self._ooms, oom_kills()
        return status == -signal.SIGKILL and self._ooms > before


def oom_kills() -> int:
    """How often the kernel has killed for want of memory."""
    with suppress(OSError, ValueError, IndexError), open("/proc/vmstat", encoding="ascii") as file:
        return int(file.read().partition("oom_kill ")[2].split()[0])
    return 0
