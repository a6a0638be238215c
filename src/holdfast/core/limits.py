"""What one tool may use: the author's ``Limits`` and the complete set after the server's defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from math import inf
from typing import Final, Literal, get_args

from holdfast.errors import ConfigurationError

LEAST_MEMORY = 64 * 1024 * 1024
"""Bytes of data that a process of its own needs at least; an interpreter with its libraries takes about half."""
_PERIODS = {
    "second": 1.0,
    "s": 1.0,
    "minute": 60.0,
    "min": 60.0,
    "m": 60.0,
    "hour": 3600.0,
    "h": 3600.0,
    "day": 86400.0,
}
Priority = Literal["high", "normal", "low"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
"""The classes of tools, the one that is served first and refused last in front; a rank is an index of it."""
ADAPTIVE: Final = (20, 200)
"""Least and most calls at once under ``concurrency="adaptive"`` (the bounds of Netflix's Gradient2)."""
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*([a-z]+)\s*", re.ASCII)


def parse_rate(text: str) -> tuple[float, float]:
    """Turn ``"100/minute"`` into ``(100.0, 60.0)``: a count and a period in seconds.

    Raises ``ConfigurationError`` when the text is not N/second, N/minute, N/hour or N/day.
    """
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in _PERIODS or not 0 < float(match[1]) < inf:
        raise ConfigurationError("a rate is written as a count and a period: 100/minute, 5/second, 1000/hour, 1/day")
    return float(match[1]), _PERIODS[match[2]]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one tool; ``None`` means the server's default (``HOLDFAST_LIMITS__*``).

    timeout      seconds for the whole call, all attempts together
    rate         calls per principal: "60/minute"
    concurrency  calls running at once, or "adaptive": as many as its latency bears, 20 to 200
    queue        calls waiting for a place
    input        bytes of arguments, as JSON
    output       bytes of the answer, as JSON
    cost         how much of a principal's quota one call spends
    memory       bytes of data that a call in a process of its own may hold, the interpreter's included (64 MiB or more)
    priority     "high", "normal" or "low": who is served first and refused last when the server has too much to do
    adaptive_rate  whether the rate falls, to a tenth at least, while the tool fails often
    hedge        seconds after which a read-only tool that has not answered is tried a second time beside the first,
                 or "p95", the time that 95 of 100 of its calls take; at most 5 % more attempts (off)
    """

    timeout: float | None = None
    rate: str | None = None
    concurrency: int | Literal["adaptive"] | None = None
    queue: int | None = None
    input: int | None = None
    output: int | None = None
    cost: float | None = None
    memory: int | None = None
    priority: Priority = "normal"
    adaptive_rate: bool | None = None
    hedge: float | Literal["p95"] | None = None

    def __post_init__(self) -> None:
        if self.rate is not None:
            parse_rate(self.rate)
        self._check_sizes()
        if self.priority not in PRIORITIES:
            raise ConfigurationError("Limits(priority=) is high, normal or low")
        if (self.cost is not None and not 0 <= self.cost < inf) or (self.queue is not None and self.queue < 0):
            raise ConfigurationError("Limits(cost=) and Limits(queue=) must not be negative")
        if self.memory is not None and not LEAST_MEMORY <= self.memory < inf:
            raise ConfigurationError("Limits(memory=) must be 64 MiB or more: an interpreter needs half of it")
        if self.hedge not in (None, "p95") and not (isinstance(self.hedge, int | float) and 0 < self.hedge < inf):
            raise ConfigurationError('Limits(hedge=) is in seconds, more than zero and finite, or "p95"')

    def _check_sizes(self) -> None:
        for name in ("timeout", "concurrency", "input", "output"):
            value = getattr(self, name)
            if name == "concurrency" and value == "adaptive":
                continue
            if value is not None and not (isinstance(value, int | float) and 0 < value < inf):  # NaN is refused too
                more = ', or "adaptive"' if name == "concurrency" else ""
                raise ConfigurationError(f"Limits({name}=) must be more than zero, and finite{more}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A tool's limits with every default filled in; what the guards are built from. ``hedge`` has no default."""

    timeout: float
    rate: str
    concurrency: int
    queue: int
    input: int
    output: int
    cost: float
    memory: int
    priority: Priority = "normal"
    adaptive_rate: bool = False
    adaptive: bool = False
    """Whether ``concurrency`` is only the most that the limit may grow to."""

    @property
    def rank(self) -> int:
        """Where its priority stands in ``PRIORITIES``."""
        return PRIORITIES.index(self.priority)


def settle(limits: Limits, defaults: object) -> Bounds:
    """Fill what ``limits`` leaves open from the server's ``LimitSettings``."""
    chosen = {}
    for name in {item.name for item in fields(Limits)} & {item.name for item in fields(Bounds)}:
        own = getattr(limits, name)
        chosen[name] = getattr(defaults, name) if own is None else own
    adaptive = chosen["concurrency"] == "adaptive" or (
        limits.concurrency is None and getattr(defaults, "adaptive", False)
    )
    if adaptive:
        chosen["concurrency"] = ADAPTIVE[1]
    return Bounds(**chosen, adaptive=adaptive)
