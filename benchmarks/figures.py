"""What is measured, and how the rounds become one figure and one ratio for each server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from subjects import YARDSTICK


@dataclass(frozen=True, slots=True)
class Metric:
    """One column. Less is better in all of them."""

    key: str
    title: str
    unit: str


SPEED = (
    Metric("sequential", "stdio, one at a time", "us"),
    Metric("in_flight", "stdio, 64 in flight", "us"),
    Metric("http_one", "HTTP, 1 connection", "us"),
    Metric("http_many", "HTTP, 32 connections", "us"),
)
CPU = (
    Metric("sequential_cpu", "stdio, one at a time", "us"),
    Metric("in_flight_cpu", "stdio, 64 in flight", "us"),
    Metric("http_one_cpu", "HTTP, 1 connection", "us"),
    Metric("http_many_cpu", "HTTP, 32 connections", "us"),
)
"""Of the server alone, all its threads: other work on the machine hardly shows in it."""
SIZE = (
    Metric("initialize", "start to initialize", "ms"),
    Metric("first", "start to first result", "ms"),
    Metric("idle", "memory, idle", "MiB"),
    Metric("loaded", "memory, after load", "MiB"),
)
METRICS = SPEED + CPU + SIZE
Sample = Mapping[str, float]
"""Metric key -> what one round measured."""
Round = Mapping[str, Sample]
"""Subject name -> its sample."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of a metric over all rounds, and the median of its ratios to the yardstick in the same round."""

    value: float
    ratio: float


def figures(rounds: Iterable[Round]) -> dict[str, dict[str, Figure]]:
    """Subject name -> metric key -> figure. Ratios are taken within a round, since a shared machine drifts."""
    taken = list(rounds)
    return {
        name: {
            metric.key: Figure(
                median(each[name][metric.key] for each in taken),
                median(each[name][metric.key] / each[YARDSTICK][metric.key] for each in taken),
            )
            for metric in METRICS
        }
        for name in taken[0]
    }


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest rank (0 for no values)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def slower(found: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    """The promises about speed that this run does not bear out: holdfast over stdio against the bare SDK."""
    return [
        f"{name} is slower than the bare SDK ({metric.title}: {found[name][metric.key].ratio:.2f}x)"
        for name in ("holdfast", "holdfast-readonly")
        if name in found
        for metric in SPEED[:2]
        if found[name][metric.key].ratio > 1
    ]
