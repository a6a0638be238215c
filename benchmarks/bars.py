"""What holdfast promises about speed, as data, and whether a run bears it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from figures import FLOOR, HOLDFAST, Place, Series, ratio, value
from subjects import YARDSTICK

Outcome = Literal["met", "met, stretch too", "not met", "not measured"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise: ``over`` is at most so much, as a ratio to ``under`` in the same lap, or else in its own unit."""

    title: str
    over: Place
    under: Place | None
    limit: float
    stretch: float | None
    unit: str = "x"

    def measured(self, series: Series) -> float | None:
        """What the run found, to compare with ``limit``."""
        return value(series, self.over) if self.under is None else ratio(series, self.over, self.under)

    def outcome(self, series: Series) -> Outcome:
        """Whether that is within the bar."""
        found = self.measured(series)
        if found is None:
            return "not measured"
        if self.stretch is not None and found <= self.stretch:
            return "met, stretch too"
        return "met" if found <= self.limit else "not met"

    def verdict(self, series: Series) -> str:
        """One line for a reader."""
        found, stretch = self.measured(series), "" if self.stretch is None else f", stretch {self.stretch:g}"
        told = "" if found is None else f" {found:.2f}{self.unit}"
        return f"{self.title}{told} (bar {self.limit:g}{stretch}): {self.outcome(series)}"


def _bare(title: str, metric: str, limit: float, stretch: float) -> Bar:
    return Bar(title, (metric, HOLDFAST), (metric, YARDSTICK), limit, stretch)


def _floor(title: str, metric: str) -> Bar:
    return Bar(f"{title} against the floor", (metric, HOLDFAST), (metric, FLOOR), 4.0, 2.5)


def _growth(title: str, what: str, many: int) -> Bar:
    return Bar(title, (f"{what}_{many}", HOLDFAST), (f"{what}_1", HOLDFAST), 1.1, None)


BARS = (
    _bare("stdio sequential", "sequential", 0.25, 0.15),
    _bare("stdio 64 in flight", "in_flight", 0.20, 0.08),
    _bare("HTTP modern, 1 connection", "http_one", 0.60, 0.50),
    _bare("HTTP modern, 32 connections", "http_many", 0.35, 0.20),
    _bare("HTTP legacy, 1 connection", "legacy_one", 0.60, 0.50),
    _bare("HTTP legacy, 32 connections", "legacy_many", 0.35, 0.20),
    _bare("cold start", "start", 0.60, 0.35),
    _bare("memory after the first call", "idle", 1.0, 0.7),
    Bar("whole default chain over the handler", ("chain", HOLDFAST), None, 40.0, 20.0, " us"),
    _floor("stdio sequential", "sequential"),
    _floor("stdio 64 in flight", "in_flight"),
    _floor("HTTP modern, 32 connections", "http_many"),
    _floor("HTTP legacy, 32 connections", "legacy_many"),
    _growth("a call among 1,000 tools against 1", "tools", 1_000),
    _growth("a call among 1M principals against 1", "principals", 1_000_000),
)
"""Ratios are to the bare SDK's low-level server, for a tool whose calls are audited, where nothing else is said."""


def verdicts(series: Series) -> list[str]:
    """A line for each bar."""
    return [bar.verdict(series) for bar in BARS]
