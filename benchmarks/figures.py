"""What is measured, and how the laps become one figure and one ratio for each server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from subjects import YARDSTICK

HOLDFAST, READONLY, UNGUARDED, FLOOR = "holdfast", "holdfast-readonly", "holdfast-unguarded", "floor"
SIZES = {100: "100 B", 10_000: "10 KB", 1_000_000: "1 MB"}
"""Payloads in bytes."""
Series = Mapping[str, Mapping[str, Sequence[float]]]
"""Metric key -> subject name -> what each lap measured. Values at one index were measured side by side."""
Place = tuple[str, str]
"""One row of a series: metric key, subject name."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One column. Less is better in all of them."""

    key: str
    title: str
    unit: str = "us"


STDIO = (Metric("sequential", "stdio, one at a time"), Metric("in_flight", "stdio, 64 in flight"))
HTTP = (
    Metric("http_one", "modern, 1 connection"),
    Metric("http_many", "modern, 32 connections"),
    Metric("legacy_one", "legacy, 1 connection"),
    Metric("legacy_many", "legacy, 32 connections"),
)
PAYLOADS = tuple(
    Metric(f"payload_{wire}_{size}", f"{title}, {words}")
    for wire, title in (("stdio", "stdio"), ("http", "HTTP"))
    for size, words in SIZES.items()
)
CPU = tuple(Metric(f"{metric.key}_cpu", metric.title) for metric in (*STDIO, *HTTP))
"""Of the server alone, all its threads: other work on the machine hardly shows in it."""
START = (
    Metric("initialize", "start to initialize", "ms"),
    Metric("start", "start to first result", "ms"),
    Metric("idle", "memory, first result", "MiB"),
    Metric("loaded", "memory, after load", "MiB"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of a metric over all laps, and the median of its ratios to the yardstick in the same lap."""

    value: float
    ratio: float | None


class Laps:
    """A series that grows."""

    def __init__(self) -> None:
        self.series: dict[str, dict[str, list[float]]] = {}

    def add(self, metric: str, subject: str, value: float) -> None:
        """One more lap's value."""
        self.series.setdefault(metric, {}).setdefault(subject, []).append(value)

    def extend(self, more: Series) -> None:
        """The laps of another series after those of this one."""
        for metric, row in more.items():
            for subject, values in row.items():
                self.series.setdefault(metric, {}).setdefault(subject, []).extend(values)


def values(series: Series, place: Place) -> Sequence[float]:
    """What each lap measured there; nothing when it was not measured."""
    return series.get(place[0], {}).get(place[1], ())


def value(series: Series, place: Place) -> float | None:
    """The median over all laps."""
    found = values(series, place)
    return median(found) if found else None


def ratio(series: Series, over: Place, under: Place) -> float | None:
    """The median of the ratios within each lap, since a shared machine drifts; ``None`` when one was not measured."""
    pairs = list(zip(values(series, over), values(series, under), strict=False))
    return median(above / below for above, below in pairs) if pairs and all(below for _, below in pairs) else None


def figures(series: Series) -> dict[str, dict[str, Figure]]:
    """Subject name -> metric key -> figure; what only holdfast has (growth, guards) has no ratio here."""
    found: dict[str, dict[str, Figure]] = {}
    for metric, row in series.items():
        for subject, laps in row.items():
            against = ratio(series, (metric, subject), (metric, YARDSTICK))
            found.setdefault(subject, {})[metric] = Figure(median(laps), against)
    return found


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest rank (0 for no values)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
