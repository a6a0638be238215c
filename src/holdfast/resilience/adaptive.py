"""Limits that learn: calls at once from how long they take, and a share of a rate from how often they fail."""

from __future__ import annotations

SMOOTHING = 0.2
TOLERANCE = 1.5
HEADROOM = 4
"""Calls by which the limit tries to grow in a window: Gradient2's queue size."""
LEAST_GRADIENT = 0.5
LONG = 600
WARM_UP = 10
"""Windows that the usual latency is learned over, and those at the start that weigh the same."""
DECAY = 0.95
NEAR = 1.25
HESITATION = 0.1
"""While the limit is in use, latencies beyond ``NEAR`` times the usual are learned at this part of the weight."""
WINDOW = 1.0
"""Seconds, as in Netflix's WindowedLimit, as is the number of calls beneath; each window is one step of the limit."""
WINDOW_CALLS = 10


class Gradient:
    """Netflix's Gradient2 (concurrency-limits), from ``low`` to ``high`` calls at once, beginning at ``low``.

    A window's average latency is compared with the usual one. Up to ``TOLERANCE`` times as long, the limit grows by
    what is smoothed of ``HEADROOM``; beyond that it shrinks, by a tenth a window at most. While fewer than half of it
    run it stays: latency says nothing then, and an idle tool would grow to the top (measured).

    One thing is otherwise than in Gradient2: latencies that this limit may itself be the cause of are learned ten
    times as slowly. There, an overload became the usual latency within minutes, and the limit went up to ``high`` in
    the midst of it (docs/decisions/0012). Not locked: one event loop.
    """

    __slots__ = ("_busiest", "_calls", "_limit", "_seconds", "_since", "_usual", "_windows", "high", "low")

    def __init__(self, low: int, high: int) -> None:
        if not 1 <= low <= high:
            raise ValueError("an adaptive limit lies between a least and a most, both at least one")
        self.low = low
        self.high = high
        self._limit = float(low)
        self._usual = 0.0
        self._windows = 0
        self._since = self._seconds = 0.0
        self._calls = self._busiest = 0

    @property
    def limit(self) -> int:
        """Calls that may run at once."""
        return int(self._limit)

    @property
    def usual(self) -> float:
        """Seconds that a call usually takes, as far as known."""
        return self._usual

    def sample(self, seconds: float, running: int, now: float) -> int:
        """A call took ``seconds`` until ``now``, with ``running`` at once, itself included; the limit from now on."""
        if not self._calls:
            self._since, self._seconds, self._busiest = now, 0.0, 0
        self._calls += 1
        self._seconds += seconds
        self._busiest = max(self._busiest, running)
        if self._calls >= WINDOW_CALLS and now - self._since >= WINDOW:
            self._step(self._seconds / self._calls)
            self._calls = 0
        return int(self._limit)

    def _step(self, latest: float) -> None:
        idle = self._busiest < self._limit / 2
        gradient = 1.0
        if latest > 0 and self._windows:
            gradient = max(LEAST_GRADIENT, min(1.0, TOLERANCE * self._usual / latest))
        self._learn(latest, 1.0 if idle or latest < NEAR * self._usual else HESITATION)
        if idle:
            return
        aim = self._limit * gradient + HEADROOM
        self._limit = max(float(self.low), min(float(self.high), self._limit + SMOOTHING * (aim - self._limit)))

    def _learn(self, latest: float, trust: float) -> None:
        """The exponential average of Gradient2, and its way back from a latency that has gone."""
        self._windows += 1
        weight = 1 / self._windows if self._windows <= WARM_UP else trust * 2 / (LONG + 1)
        self._usual += weight * (latest - self._usual)
        if self._usual > 2 * latest:
            self._usual *= DECAY


INTERVAL = 5.0
"""Seconds: how often the share of a rate may change."""
ENOUGH = 10
"""Calls in an interval; fewer say too little to lower a share."""
FAILING = 0.1
"""A tool of which more than this share of calls fails is failing; a breaker opens at 0.5."""
FALL = 0.5
RISE = 0.1
LEAST_SHARE = 0.1
"""A share halves in each interval of failing and comes back in tenths: additive increase, multiplicative decrease, so
that a tool that mends is not met by all at once. From the bottom to the whole it takes 45 s."""


class Share:
    """The part of its rate, from ``LEAST_SHARE`` to 1, that a tool's callers get while it fails. One event loop.

    It changes when somebody looks, so nothing runs while nobody calls.
    """

    __slots__ = ("_calls", "_failed", "_since", "_value")

    def __init__(self, now: float) -> None:
        self._since = now
        self._value = 1.0
        self._calls = self._failed = 0

    def at(self, now: float) -> float:
        """The share at ``now``."""
        self._since = min(self._since, now)  # a clock that was set back begins its interval anew
        intervals = int((now - self._since) / INTERVAL)
        if intervals:
            self._since += intervals * INTERVAL
            self._close(intervals)
        return self._value

    def settle(self, failed: bool, now: float) -> None:
        """A call ended at ``now``."""
        self.at(now)
        self._calls += 1
        self._failed += failed

    def _close(self, intervals: int) -> None:
        """End an interval, and those after it in which nobody called."""
        if self._failed > FAILING * self._calls:
            intervals -= 1
            if self._calls >= ENOUGH:
                self._value = max(LEAST_SHARE, self._value * FALL)
            elif not intervals:
                return  # a trickle of calls that fail: the share stays, and they count together with the next ones
        self._calls = self._failed = 0
        self._value = min(1.0, self._value + RISE * intervals)
