"""Shows on standard error how far a run is: one line that is painted again in a terminal, a line per class elsewhere.

The cursor is never hidden: a run that is killed in the middle leaves the terminal as it was. No method ever raises
because of the stream: a report is still due when nobody looks at the progress any more.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from holdfast_attack.model.case import Case
from holdfast_attack.model.outcome import Lane, Outcome, Verdict
from holdfast_attack.report.colours import is_terminal

_ERASE: Final = "\r\x1b[2K"
_TICK: Final = 0.5
"""Seconds after which the line is painted again though nothing happened, so that nobody thinks it hangs."""
_MOST: Final = 1000
"""Cases that are remembered as being played; more are never played at the same time."""


class Progress(Protocol):
    """What is told to whoever waits. ``began`` comes first and ``ended`` last, whatever happened between."""

    def began(self, total: int, limit: float) -> None:
        """``total`` outcomes are to come, in at most ``limit`` seconds."""
        ...

    def playing(self, case: Case, lane: Lane) -> None:
        """A case begins on a lane; others may be under way."""
        ...

    def played(self, outcome: Outcome) -> None:
        """A case ended."""
        ...

    def ended(self) -> None:
        """Nothing more comes."""
        ...


class Silent:
    """Shows nothing."""

    def began(self, total: int, limit: float) -> None:
        """Show nothing."""

    def playing(self, case: Case, lane: Lane) -> None:
        """Show nothing."""

    def played(self, outcome: Outcome) -> None:
        """Show nothing."""

    def ended(self) -> None:
        """Show nothing."""


class _Count:
    """What both displays count, and how they write."""

    def __init__(self, stream: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._start = clock()
        self._total, self._limit = 0, 0.0
        self._played, self._failed = 0, 0
        self._broken = False

    def began(self, total: int, limit: float) -> None:
        """Count from here."""
        self._start = self._clock()
        self._total, self._limit = total, limit

    def played(self, outcome: Outcome) -> None:
        """Count it."""
        self._played += 1
        self._failed += outcome.verdict is Verdict.FAILED and not outcome.accepted

    def _standing(self) -> str:
        elapsed = f"{self._clock() - self._start:.0f} s of {self._limit:.0f} s"
        return f"{self._played} of {self._total}, {self._failed} failed, {elapsed}"

    def _write(self, text: str) -> None:
        if self._broken:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (AttributeError, ValueError, OSError):  # missing, closed, its reader gone, its disk full
            self._broken = True


class Plain(_Count):
    """One line when a class begins, and one at the end."""

    def __init__(self, stream: Any, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream, clock)
        self._told: set[str] = set()

    def playing(self, case: Case, lane: Lane) -> None:
        """Name the class, once."""
        if case.kind not in self._told:
            self._told.add(case.kind)
            self._write(f"{case.kind}: {self._standing()}\n")

    def ended(self) -> None:
        """Say that it is over."""
        self._write(f"done: {self._standing()}\n")


class Live(_Count):
    """One status line, painted again at every step and every half second; gone in the end."""

    def __init__(
        self,
        stream: Any,
        clock: Callable[[], float] = time.monotonic,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        super().__init__(stream, clock)
        self._columns = columns
        self._under_way: dict[tuple[str, Lane], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def began(self, total: int, limit: float) -> None:
        """Paint the first line."""
        super().began(total, limit)
        self._tick()

    def playing(self, case: Case, lane: Lane) -> None:
        """Paint it with this case."""
        if len(self._under_way) < _MOST:
            self._under_way[case.id, lane] = None
        self._paint()

    def played(self, outcome: Outcome) -> None:
        """Paint it with what is still under way."""
        super().played(outcome)
        self._under_way.pop((outcome.case.id, outcome.lane), None)
        self._paint()

    def ended(self) -> None:
        """Take the line away; the cursor stands where it stood before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write(_ERASE)

    def _tick(self) -> None:
        self._paint()
        with suppress(RuntimeError):  # no loop runs: then the line only moves with the cases
            self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _paint(self) -> None:
        line = f"{self._standing()}{self._now()}"
        self._write(f"{_ERASE}{line[: max(self._columns() - 1, 0)]}")  # a full line would wrap, and stay

    def _now(self) -> str:
        if not self._under_way:
            return ""
        case_id, lane = next(reversed(self._under_way))
        others = len(self._under_way) - 1
        # ASCII only, so that a character is a column; a version may be whatever the server said it speaks.
        where = str(lane).encode("ascii", "backslashreplace").decode()
        where = "".join(char if char.isprintable() else "?" for char in where)
        return f" | {case_id} on {where}{f' and {others} more' if others else ''}"


def progress_for(stream: Any, quiet: bool, environment: Mapping[str, str] = os.environ) -> Progress:
    """What fits the stream: the live line needs a terminal that can erase one."""
    if quiet or stream is None or getattr(stream, "closed", False):
        return Silent()
    return Live(stream) if is_terminal(stream) and environment.get("TERM") != "dumb" else Plain(stream)
