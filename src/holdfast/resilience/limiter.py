"""How often each caller may call: a window per key that refuses at once and never waits."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING

from holdfast.core.clock import Clock

GRAINS = 64
"""Most entries per key: admissions within 1/64 of the period share one, so a key costs at most 1 KiB."""
_ROUNDING = 1e-9
_NEAR = 1e-6
"""As near to the rate as this, and beyond it, the sum is taken anew: a running total of fractions drifts."""


if TYPE_CHECKING:
    _Array = array[float]
else:  # array is generic for checkers only
    _Array = array


class _Window(_Array):
    """A key's admissions as ``[time, amount, time, amount, ...]``, oldest first, and their running total."""

    __slots__ = ("total",)
    total: float


class KeyedLimiter:
    """At most ``max_rate`` per key in any ``period`` seconds; at most ``max_keys`` keys are remembered.

    Why not aiolimiter: it takes its time from the running loop through private members only, so an injected clock
    cannot drive it; and being a leaky bucket it admits 200 in the first second of "100/second" (a full bucket, and
    what leaks meanwhile). This is a sliding window that never admits more than the rate in any window; up to 64 calls
    a period it is exact, above that it holds an admission for at most 1/64 of the period too long.

    Forgetting a key that was idle for a period loses nothing, and idle keys go first. When all ``max_keys`` are
    active, the least recently used one is forgotten (``evicted_active`` counts them) and starts anew. Refused
    attempts count as use, so whoever keeps calling keeps its window. Keys must therefore be things that a caller
    cannot invent (an authenticated principal, a peer address): a flood of made-up keys would wash out its author's
    own window.
    """

    def __init__(self, max_rate: float, period: float, clock: Clock, *, max_keys: int = 10_000) -> None:
        if max_rate <= 0 or period <= 0 or max_keys < 1:
            raise ValueError("a limiter needs a rate and a period above zero and room for at least one key")
        self._max = self._full = max_rate
        self._period = period
        self._grain = period / GRAINS if max_rate > GRAINS else 0.0
        self._clock = clock
        self._max_keys = max_keys
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self.evicted_active = 0

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, key: str, amount: float = 1.0) -> float | None:
        """Admit (``None``), or refuse with the seconds until ``amount`` would be admitted. Never waits.

        Raises ``ValueError`` for an amount that could never be admitted.
        """
        if not 0 < amount <= self._max:
            amount = self._within(amount)
        now = self._clock.now()
        window = self._windows.get(key)
        if window is None:
            self._forget(now)
            window = self._windows[key] = _Window("d")
            window.total = 0.0
        else:
            self._windows.move_to_end(key)
            if window[0] <= now - self._period:
                _expire(window, now - self._period)
        over = window.total + amount - self._max
        if over > -_NEAR:
            window.total = sum(window[1::2])
            over = window.total + amount - self._max
            if over > _ROUNDING:
                return self._wait(window, over, now)
        if window and self._grain and int(window[-2] / self._grain) == int(now / self._grain):
            window[-2] = now  # the later time, so that no admission is forgotten early
            window[-1] += amount
        else:
            window.append(now)
            window.append(amount)
        window.total += amount
        return None

    def ease(self, share: float) -> None:
        """Admit only ``share`` (0 to 1) of the rate from now on, but always one; what was admitted stays counted.

        An ``amount`` that is more than what is left of the rate is then admitted as all of it.
        """
        self._max = max(self._full * share, min(self._full, 1.0))

    def _within(self, amount: float) -> float:
        if not 0 < amount <= self._full:
            raise ValueError("the amount must be above zero and at most the rate")
        return self._max

    def _forget(self, now: float) -> None:
        """Drop up to two idle keys, so that memory shrinks again, and make room when full."""
        for _ in range(2):
            oldest = next(iter(self._windows.values()), None)
            if oldest is None or (oldest and oldest[-2] > now - self._period):
                break
            self._windows.popitem(last=False)
        if len(self._windows) >= self._max_keys:
            self._windows.popitem(last=False)
            self.evicted_active += 1

    def _wait(self, window: _Window, over: float, now: float) -> float:
        for index in range(0, len(window), 2):
            over -= window[index + 1]
            if over <= _ROUNDING:
                break
        return window[index] + self._period - now


def _expire(window: _Window, horizon: float) -> None:
    """Drop what was admitted at ``horizon`` or before."""
    passed = 0
    while passed < len(window) and window[passed] <= horizon:
        passed += 2
    del window[:passed]
    window.total = sum(window[1::2])
