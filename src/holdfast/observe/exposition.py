"""The metrics page in Prometheus' text format; loaded by the first scrape, and with it Prometheus' library."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from holdfast.observe.process import measure

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from holdfast.observe.metrics import Counts, Metrics, Spread, ToolMetrics


def page(metrics: Metrics) -> tuple[bytes, str]:
    """Return the text exposition (version 0.0.4) and its content type."""
    return generate_latest(_Page(metrics)), CONTENT_TYPE_PLAIN_0_0_4


class _Page:
    """What the library takes for a registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        metrics, tools = self._metrics, list(self._metrics.tools.values())
        yield _calls(tools)
        yield _seconds(tools)
        yield _counter("refusals", "Calls refused.", ("guard", "code"), metrics.refusals)
        yield _by_tool("in_flight", "Calls that run now.", {tool.name: tool.in_flight for tool in tools})
        yield _by_tool(
            "queued", "Calls that wait for a running place.", {tool.name: tool.waiting.read() for tool in tools}
        )
        yield from _own(tools)
        lag = HistogramMetricFamily("holdfast_loop_lag_seconds", "Seconds the event loop was late.")
        lag.add_metric([], _buckets(metrics.lags), metrics.lags.total)
        yield lag
        yield _gauge("loop_lag_last_seconds", "The latest lag of the event loop.", metrics.last_lag.read())
        yield _counter("redactions", "Secrets redacted.", ("rule",), metrics.redactions)
        yield _counter("audit_records", "Audit records.", ("outcome",), metrics.audit_records)
        attempts = "Attempts to call a service that tools depend on."
        yield _counter("dependency_attempts", attempts, ("dependency", "outcome"), metrics.dependencies)
        yield _counter("events", "Events by kind.", ("kind",), metrics.events)
        yield _gauge("orphans", "Abandoned tasks that still run.", metrics.orphans.read())
        yield _gauge("zombies", "Abandoned threads that still run.", metrics.zombies.read())
        yield from _asked(metrics)


def _calls(tools: list[ToolMetrics]) -> Metric:
    family = CounterMetricFamily("holdfast_calls", "Calls that ended.", labels=("tool", "outcome"))
    for tool in tools:
        for outcome, count in list(tool.outcomes.items()):
            family.add_metric((tool.name, outcome), count)
    return family


def _seconds(tools: list[ToolMetrics]) -> Metric:
    family = HistogramMetricFamily("holdfast_call_seconds", "Seconds a call took.", labels=("tool",))
    for tool in tools:
        family.add_metric([tool.name], _buckets(tool.spread), tool.spread.total)
    return family


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    bounds = [*(str(float(bound)) for bound in spread.bounds), "+Inf"]
    return list(zip(bounds, accumulate(spread.counts), strict=True))


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Counts) -> Metric:
    family = CounterMetricFamily(f"holdfast_{name}", text, labels=labels)
    for values, count in counts.items().items():
        family.add_metric(values, count)
    return family


def _by_tool(name: str, text: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(f"holdfast_{name}", text, labels=("tool",))
    for tool, value in values.items():
        family.add_metric((tool,), value)
    return family


def _own(tools: list[ToolMetrics]) -> Iterator[Metric]:
    """The gauges that only some tools have."""
    families: dict[str, dict[str, float]] = {}
    for tool in tools:
        for name, read in list(tool.watched.items()):
            with contextlib.suppress(Exception):  # as in ``_asked``
                families.setdefault(name, {})[tool.name] = float(read())
    for name, values in filter(itemgetter(1), families.items()):
        yield _by_tool(name, f"{name.replace('_', ' ').capitalize()}.", values)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"holdfast_{name}", text, value=value)


def _asked(metrics: Metrics) -> Iterator[Metric]:
    """What is measured only now: the process, and the numbers that others count."""
    for name, value in measure().items():
        yield _gauge(f"process_{name}", f"The process's {name.replace('_', ' ')}.", value)
    for name, read in list(metrics.watched.items()):
        with contextlib.suppress(Exception):  # foreign code: one broken number must not cost the scrape
            yield _gauge(name, f"{name.replace('_', ' ').capitalize()}.", float(read()))
