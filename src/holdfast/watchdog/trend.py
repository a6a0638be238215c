"""Growth without an end: a number whose floor rises in each part of a window is leaking, however it swings."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from math import inf
from typing import NamedTuple

from holdfast.watchdog.watch import Reading

PARTS = 6
"""Parts of the window. Six floors that rise by chance alone do so once in 720 windows."""


class Growth(NamedTuple):
    """What a leak has grown by over the window, and how fast in an hour; zero when it is none."""

    total: float
    an_hour: float


class Trend:
    """Feed it samples; ``growth`` is that of the parts' least values, so that work that comes and goes is none."""

    def __init__(self, window: float, now: Callable[[], float]) -> None:
        self._part = window / PARTS
        self._window = window
        self._now = now
        self._floors: deque[float] = deque(maxlen=PARTS)
        self._floor = inf
        self._begun: float | None = None

    def feed(self, value: float) -> bool:
        """Take a sample in; returns whether a part has ended with it."""
        now = self._now()
        if self._begun is None:
            self._begun = now
        ended = now - self._begun >= self._part
        if ended:
            self._floors.append(min(self._floor, value))
            self._floor, self._begun = inf, now
        self._floor = min(self._floor, value)
        return ended

    def growth(self) -> Growth:
        """Over the whole window; nothing before one is full."""
        floors = self._floors
        if len(floors) < PARTS or any(later <= earlier for earlier, later in pairwise(floors)):
            return Growth(0.0, 0.0)
        total = floors[-1] - floors[0]
        return Growth(total, total / (self._window - self._part) * 3600)


class Leak:
    """Reads a number and judges its trend: ``value`` is the growth in units of ``least``, so 1 is where it alarms."""

    def __init__(self, read: Callable[[], float], least: float, trend: Trend) -> None:
        self._read = read
        self._least = least
        self._trend = trend
        self.suspect: Callable[[], str | None] = lambda: None

    def look(self) -> Reading | None:
        """``None`` within a part: nothing new is known of the trend."""
        if not self._trend.feed(self._read()):
            return None
        growth = self._trend.growth()
        said: dict[str, object] = {"grown": round(growth.total), "an_hour": round(growth.an_hour)}
        if growth.total >= self._least and (tool := self.suspect()) is not None:
            said["tool"] = tool
        return Reading(growth.total / self._least, said)
