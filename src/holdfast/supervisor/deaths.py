"""Why a worker died, how soon the next one may start, and which tools are kept from killing a third."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

WINDOW: Final = 60.0
MOST: Final = 10
"""Restarts without a pause in ``WINDOW`` seconds (Erlang/OTP bounds them likewise, as intensity and period)."""
LONGEST_PAUSE: Final = 30.0
STOOD: Final = "its loop stood still"
"""Why a worker was ended whose loop had stood past the ladder."""
SUDDEN: Final = 1.0
"""Seconds after which a worker that somebody killed from outside has proved that it can live."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended. ``blamed``: by its own doing, for which the ladder or the kernel may end it too."""

    status: int
    """As ``waitstatus_to_exitcode`` has it: an exit status, or a signal's number below zero."""
    lived: float
    """Seconds since it was ready."""
    reason: str
    blamed: bool

    @property
    def counts(self) -> bool:
        """Whether it is held against the intensity of restarts."""
        return self.blamed or self.lived < SUDDEN


def judged(status: int, lived: float, *, ladder: str | None = None, out_of_memory: bool = False) -> Death:
    """The death of a worker that ended with ``status``; ``ladder`` says why the parent itself had ended it."""
    if ladder is not None:
        return Death(status, lived, ladder, blamed=True)
    if out_of_memory:
        return Death(status, lived, "the system ended it for want of memory", blamed=True)
    if status >= 0:
        return Death(status, lived, f"a tool ended the process with status {status}", blamed=True)
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    outside = -status in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    return Death(status, lived, f"{name}, from outside" if outside else f"it crashed with {name}", blamed=not outside)


class Intensity:
    """How long to wait before the next worker: not at all, up to ``most`` deaths in ``window`` seconds."""

    def __init__(self, most: int = MOST, window: float = WINDOW) -> None:
        self._window = window
        self._recent: deque[float] = deque(maxlen=most + 1)
        self._pauses = 0

    def pause(self, now: float) -> float:
        """Note a death at ``now``; the seconds to wait, doubling from one to ``LONGEST_PAUSE``."""
        self._recent.append(now)
        crowded = len(self._recent) == self._recent.maxlen and now - self._recent[0] < self._window
        self._pauses = self._pauses + 1 if crowded else 0
        return min(LONGEST_PAUSE, 2.0 ** (self._pauses - 1)) if crowded else 0.0


def mark(tool: str) -> int:
    """A tool's name as one word of shared memory, which is stored at once and never half; not 0."""
    return crc32(tool.encode(errors="surrogatepass")) | 1 << 32


def culprits(under_way: set[str], standing: int, known: Iterable[str]) -> set[str]:
    """Who is to blame for a loop that stood still: the tool that ran on it, whose mark is ``standing``; ``known`` are
    all tools. Those ``under_way`` where nobody could look, since C code held the interpreter all the time."""
    return {tool for tool in known if mark(tool) == standing} or under_way


class Quarantine:
    """A tool that was under way at two deaths within ``WINDOW`` seconds is kept from running for a while."""

    FOR: Final = 60.0
    MOST: Final = 1_000
    """Tools that are remembered; a server has fewer."""

    def __init__(self, note: Mapping[str, Any] | None = None) -> None:
        self._deaths: dict[str, float] = dict((note or {}).get("deaths", {}))
        self._until: dict[str, float] = dict((note or {}).get("until", {}))

    def suspect(self, tools: set[str], now: float) -> None:
        """These were under way when a worker was lost by its own doing."""
        self._deaths = {tool: at for tool, at in self._deaths.items() if now - at < WINDOW}
        for tool in sorted(tools)[: self.MOST]:
            if tool in self._deaths:
                self._until[tool] = now + self.FOR
            self._deaths[tool] = now

    def until(self, now: float) -> dict[str, float]:
        """The tools that may not run now, each with the time at which it may again."""
        self._until = {tool: end for tool, end in self._until.items() if end > now}
        return dict(self._until)

    def note(self) -> dict[str, Any]:
        """What the next worker has to know."""
        return {"deaths": self._deaths, "until": self._until}
