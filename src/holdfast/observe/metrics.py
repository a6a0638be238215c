"""The numbers behind ``/metrics``, with bounded labels: plain counts here, Prometheus' words only on a scrape."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable

OTHER = "other"
"""The label of whatever comes after a label's bound is reached."""
MAX_OUTCOMES = 64
MAX_REFUSALS = 500
"""Pairs of guard and code."""
MAX_OWN = 10
"""Gauges of one tool that others read for it."""
MAX_NAMES = 200
"""Redaction rules, event kinds, audit outcomes: each."""
CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds. Prometheus' default buckets, finer below 5 ms, where most calls end, and up to the longest timeout."""
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
"""Seconds; 0.1, 5 and 10 are the steps of the watchdog's ladder."""


class Metrics:
    """Every number that ``/metrics`` shows. Nothing here waits or raises.

    Safe to use from any thread, but for what ``for_tool`` returns: its ``started`` and ``ended`` belong to the event
    loop, so that a call takes no lock. ``max_tools`` bounds the label ``tool``: later names are counted as "other".
    ``orphans`` and ``zombies`` are plain gauges with ``set``, ``inc``, ``dec`` and ``set_function``.
    """

    def __init__(self, *, max_tools: int = 1_000) -> None:
        self.tools: dict[str, ToolMetrics] = {}
        self.refusals = Counts(MAX_REFUSALS)
        self.redactions = Counts(MAX_NAMES)
        self.audit_records = Counts(MAX_NAMES)
        self.events = Counts(MAX_NAMES)
        self.dependencies = Counts(MAX_REFUSALS)
        self.lags = Spread(LAG_BUCKETS)
        self.last_lag = Gauge()
        self.orphans = Gauge()
        self.zombies = Gauge()
        self.watched: dict[str, Callable[[], float]] = {}
        self._max_tools = max_tools
        self._lags = threading.Lock()

    def for_tool(self, name: str) -> ToolMetrics:
        """Return the tool's own counters; call it when the chain is built and keep the answer."""
        known = self.tools.get(name)
        if known is None:
            if len(self.tools) >= self._max_tools:
                name = OTHER
            known = self.tools.setdefault(name, ToolMetrics(self, name))
        return known

    def refused(self, guard: str, code: str) -> None:
        """Count one refusal."""
        self.refusals.add((guard, code))

    def lag(self, seconds: float) -> None:
        """Note how late the event loop was."""
        with self._lags:
            self.lags.add(seconds)
        self.last_lag.set(seconds)

    def redacted(self, rule: str, count: int = 1) -> None:
        """Count ``count`` secrets that ``rule`` found."""
        self.redactions.add((rule,), count)

    def audited(self, outcome: str) -> None:
        """Count an audit record by outcome ("written", "lost", "refused")."""
        self.audit_records.add((outcome,))

    def depended(self, name: str, outcome: str) -> None:
        """Count one attempt to call a service that tools depend on."""
        self.dependencies.add((name, outcome))

    def event(self, kind: str) -> None:
        """Count an event by kind."""
        self.events.add((kind,))

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Show ``read()`` as the gauge ``holdfast_<name>`` on each scrape; at most 200, a later one is ignored.

        For numbers that somebody else counts, such as ``LogPipe.lost``.
        """
        if name in self.watched or len(self.watched) < MAX_NAMES:
            self.watched[name] = read

    def render(self) -> tuple[bytes, str]:
        """Return the text exposition and its content type. The first time loads Prometheus' library (20 ms)."""
        from holdfast.observe.exposition import page

        return page(self)

    def snapshot(self) -> dict[str, float]:
        """Return a few totals for ``/health``: calls, refusals, in_flight, queued, lag, orphans, zombies."""
        tools = list(self.tools.values())
        return {
            "calls": float(sum(tool.spread.count for tool in tools)),
            "refusals": float(sum(self.refusals.items().values())),
            "in_flight": float(sum(tool.in_flight for tool in tools)),
            "queued": float(sum(tool.waiting.read() for tool in tools)),
            "loop_lag_seconds": self.last_lag.read(),
            "orphans": self.orphans.read(),
            "zombies": self.zombies.read(),
        }


class ToolMetrics:
    """One tool's counters: plain numbers that only the event loop's thread changes."""

    __slots__ = ("_counts", "_refused", "begun", "name", "outcomes", "spread", "waiting", "watched")

    def __init__(self, metrics: Metrics, name: str) -> None:
        self.name = name
        self.begun = 0
        self.spread = Spread(CALL_BUCKETS)
        self.outcomes: dict[str, int] = {}
        self.waiting = Gauge()
        self.watched: dict[str, Callable[[], float]] = {}
        self._counts = self.spread.counts
        self._refused = metrics.refused

    @property
    def in_flight(self) -> int:
        """Calls that began and have not ended."""
        return self.begun - self.spread.count

    def started(self) -> None:
        """A call of the tool began; on the loop."""
        self.begun += 1

    def ended(self, outcome: str, seconds: float) -> None:
        """The call that began has ended; ``outcome`` is "ok" or a stable code. On the loop."""
        self._counts[bisect_left(CALL_BUCKETS, seconds)] += 1
        self.spread.total += seconds
        try:
            self.outcomes[outcome] += 1
        except KeyError:
            outcome = outcome if len(self.outcomes) < MAX_OUTCOMES else OTHER
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def refused(self, guard: str, code: str) -> None:
        """A guard refused the call."""
        self._refused(guard, code)

    def queued(self, waiting: int) -> None:
        """So many calls of the tool wait for a running place."""
        self.waiting.set(waiting)

    def watch_queue(self, read: Callable[[], int]) -> None:
        """Ask ``read()`` on each scrape how many calls of the tool wait, in place of ``queued``."""
        self.waiting.set_function(read)

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Show ``read()`` as the gauge ``holdfast_<name>`` of this tool on each scrape; at most ten, later ones not."""
        if name in self.watched or len(self.watched) < MAX_OWN:
            self.watched[name] = read


class Counts:
    """How often each of at most ``bound`` label sets was counted, and all later ones together as "other"."""

    __slots__ = ("_bound", "_lock", "_values")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._values: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def add(self, labels: tuple[str, ...], count: int = 1) -> None:
        """Count ``count`` more."""
        with self._lock:
            if labels not in self._values and len(self._values) >= self._bound:
                labels = (OTHER,) * len(labels)
            self._values[labels] = self._values.get(labels, 0) + count

    def items(self) -> dict[tuple[str, ...], int]:
        """Return a copy."""
        with self._lock:
            return dict(self._values)


class Spread:
    """How many values fell up to each of ``bounds`` and past the last one, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        """Values in all."""
        return sum(self.counts)

    def add(self, value: float) -> None:
        """Count one; not locked."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Gauge:
    """A number that goes up and down, or is asked for."""

    __slots__ = ("_lock", "_read", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._read: Callable[[], float] | None = None
        self._lock = threading.Lock()

    def set(self, value: float) -> None:
        """It is ``value`` now."""
        self._value = float(value)

    def inc(self, by: float = 1) -> None:
        """It grew."""
        with self._lock:
            self._value += by

    def dec(self, by: float = 1) -> None:
        """It shrank."""
        self.inc(-by)

    def set_function(self, read: Callable[[], float]) -> None:
        """Ask ``read()`` whenever somebody looks."""
        self._read = read

    def read(self) -> float:
        """Return the number."""
        return self._value if self._read is None else float(self._read())
