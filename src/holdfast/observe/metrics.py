"""Prometheus metrics with a registry of their own and bounded labels; what a call touches is resolved beforehand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from holdfast.observe.process import measure

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.metrics_core import Metric

OTHER = "other"
"""The label of whatever comes after a label's bound is reached."""
MAX_OUTCOMES = 64
MAX_REFUSALS = 500
"""Pairs of guard and code."""
MAX_NAMES = 200
"""Redaction rules, event kinds, audit outcomes: each."""
CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds. Prometheus' default buckets, finer below 5 ms, where most calls end, and up to the longest timeout."""
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
"""Seconds; 0.1, 5 and 10 are the steps of the watchdog's ladder."""


class Metrics:
    """Every number that ``/metrics`` shows. Safe to use from any thread; nothing here waits or raises.

    ``max_tools`` bounds the label ``tool``: later names are counted as "other". ``orphans`` and ``zombies`` are
    plain gauges with ``set``, ``inc`` and ``dec``.
    """

    def __init__(self, *, max_tools: int = 1_000) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = registry = CollectorRegistry(auto_describe=False)
        self._calls = Counter("holdfast_calls", "Calls that ended.", ("tool", "outcome"), registry=registry)
        self._seconds = Histogram(
            "holdfast_call_seconds", "Seconds a call took.", ("tool",), registry=registry, buckets=CALL_BUCKETS
        )
        self._refusals = Counter("holdfast_refusals", "Calls refused.", ("guard", "code"), registry=registry)
        self._running = Gauge("holdfast_in_flight", "Calls that run now.", ("tool",), registry=registry)
        self._queued = Gauge("holdfast_queued", "Calls that wait for a running place.", ("tool",), registry=registry)
        self._lag = Histogram(
            "holdfast_loop_lag_seconds", "Seconds the event loop was late.", registry=registry, buckets=LAG_BUCKETS
        )
        self._last_lag = Gauge("holdfast_loop_lag_last_seconds", "The latest lag of the event loop.", registry=registry)
        self._redactions = Labels(Counter("holdfast_redactions", "Secrets redacted.", ("rule",), registry=registry))
        self._audit = Labels(Counter("holdfast_audit_records", "Audit records.", ("outcome",), registry=registry))
        self._events = Labels(Counter("holdfast_events", "Events by kind.", ("kind",), registry=registry))
        self.orphans = Gauge("holdfast_orphans", "Abandoned tasks that still run.", registry=registry)
        self.zombies = Gauge("holdfast_zombies", "Abandoned threads that still run.", registry=registry)
        self._watched: dict[str, Callable[[], float]] = {}
        self._tools: dict[str, ToolMetrics] = {}
        self._max_tools = max_tools
        self._refused: dict[tuple[str, str], Any] = {}
        registry.register(_Scraped(self._watched))

    def for_tool(self, name: str) -> ToolMetrics:
        """Return the tool's own counters; call it when the chain is built and keep the answer."""
        known = self._tools.get(name)
        if known is None:
            if len(self._tools) >= self._max_tools:
                name = OTHER
            known = self._tools.setdefault(name, ToolMetrics(self, name))
        return known

    def refused(self, guard: str, code: str) -> None:
        """Count one refusal."""
        child = self._refused.get((guard, code))
        if child is None:
            pair = (guard, code) if len(self._refused) < MAX_REFUSALS else (OTHER, OTHER)
            child = self._refused.setdefault(pair, self._refusals.labels(*pair))
        child.inc()

    def lag(self, seconds: float) -> None:
        """Note how late the event loop was."""
        self._lag.observe(seconds)
        self._last_lag.set(seconds)

    def redacted(self, rule: str, count: int = 1) -> None:
        """Count ``count`` secrets that ``rule`` found."""
        self._redactions[rule].inc(count)

    def audited(self, outcome: str) -> None:
        """Count an audit record by outcome ("written", "lost", "refused")."""
        self._audit[outcome].inc()

    def event(self, kind: str) -> None:
        """Count an event by kind."""
        self._events[kind].inc()

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Show ``read()`` as the gauge ``holdfast_<name>`` on each scrape; at most 200, a later one is ignored.

        For numbers that somebody else counts, such as ``LogPipe.lost``.
        """
        if name in self._watched or len(self._watched) < MAX_NAMES:
            self._watched[name] = read

    def render(self) -> tuple[bytes, str]:
        """Return the text exposition and its content type."""
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

        view = _WithoutCreated(self._registry)
        return generate_latest(view), CONTENT_TYPE_PLAIN_0_0_4

    def snapshot(self) -> dict[str, float]:
        """Return a few totals for ``/health``: calls, refusals, in_flight, queued, lag, orphans, zombies."""
        return {
            "calls": _total(self._calls),
            "refusals": _total(self._refusals),
            "in_flight": _total(self._running),
            "queued": _total(self._queued),
            "loop_lag_seconds": _total(self._last_lag),
            "orphans": _total(self.orphans),
            "zombies": _total(self.zombies),
        }


class ToolMetrics:
    """One tool's counters: direct references, so that a call looks up no label."""

    __slots__ = ("_calls", "_outcomes", "_queued", "_refused", "_running", "_seconds", "name")

    def __init__(self, metrics: Metrics, name: str) -> None:
        self.name = name
        self._calls = metrics._calls
        self._seconds = metrics._seconds.labels(name)
        self._running = metrics._running.labels(name)
        self._queued = metrics._queued.labels(name)
        self._refused = metrics.refused
        self._outcomes: dict[str, Any] = {}

    def started(self) -> None:
        """A call of the tool began."""
        self._running.inc()

    def ended(self, outcome: str, seconds: float) -> None:
        """The call that began has ended; ``outcome`` is "ok" or a stable code."""
        self._running.dec()
        self._seconds.observe(seconds)
        child = self._outcomes.get(outcome)
        if child is None:
            outcome = outcome if len(self._outcomes) < MAX_OUTCOMES else OTHER
            child = self._outcomes.setdefault(outcome, self._calls.labels(self.name, outcome))
        child.inc()

    def refused(self, guard: str, code: str) -> None:
        """A guard refused the call."""
        self._refused(guard, code)

    def queued(self, waiting: int) -> None:
        """So many calls of the tool wait for a running place."""
        self._queued.set(waiting)

    def watch_queue(self, read: Callable[[], int]) -> None:
        """Ask ``read()`` on each scrape how many calls of the tool wait, in place of ``queued``."""
        self._queued.set_function(read)


class Labels(dict[str, Any]):
    """The children of a counter with one label, at most ``MAX_NAMES`` of them and "other"."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self._counter = counter

    def __missing__(self, name: str) -> Any:
        name = name if len(self) < MAX_NAMES else OTHER
        return self.setdefault(name, self._counter.labels(name))


class _Scraped:
    """What is measured only when somebody asks: the process, and the numbers that others count."""

    def __init__(self, watched: dict[str, Callable[[], float]]) -> None:
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        for name, value in measure().items():
            yield GaugeMetricFamily(f"holdfast_process_{name}", f"The process's {name.replace('_', ' ')}.", value=value)
        for name, read in list(self._watched.items()):
            with contextlib.suppress(Exception):  # foreign code: one broken number must not cost the scrape
                value = float(read())
                yield GaugeMetricFamily(f"holdfast_{name}", f"{name.replace('_', ' ').capitalize()}.", value=value)


class _WithoutCreated:
    """The registry without ``_created`` series, which double the size; the library's own switch is process-wide."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _total(metric: Counter | Gauge | Histogram) -> float:
    families: Iterable[Metric] = metric.collect()
    return sum(s.value for family in families for s in family.samples if not s.name.endswith("_created"))
