"""What one tool may use: the author's ``Limits`` and the complete set after the server's defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from math import inf
from typing import Literal

from holdfast.errors import ConfigurationError

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
    concurrency  calls running at once
    queue        calls waiting for a place
    input        bytes of arguments, as JSON
    output       bytes of the answer, as JSON
    cost         how much of a principal's quota one call spends
    hedge        seconds after which a read-only tool that has not answered is tried a second time beside the first,
                 or "p95", the time that 95 of 100 of its calls take; at most 5 % more attempts (off)
    """

    timeout: float | None = None
    rate: str | None = None
    concurrency: int | None = None
    queue: int | None = None
    input: int | None = None
    output: int | None = None
    cost: float | None = None
    hedge: float | Literal["p95"] | None = None

    def __post_init__(self) -> None:
        if self.rate is not None:
            parse_rate(self.rate)
        for name in ("timeout", "concurrency", "input", "output"):
            value = getattr(self, name)
            if value is not None and not 0 < value < inf:  # so that NaN, which compares with nothing, is refused
                raise ConfigurationError(f"Limits({name}=) must be more than zero, and finite")
        if (self.cost is not None and not 0 <= self.cost < inf) or (self.queue is not None and self.queue < 0):
            raise ConfigurationError("Limits(cost=) and Limits(queue=) must not be negative")
        if self.hedge not in (None, "p95") and not (isinstance(self.hedge, int | float) and 0 < self.hedge < inf):
            raise ConfigurationError('Limits(hedge=) is in seconds, more than zero and finite, or "p95"')


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


def settle(limits: Limits, defaults: object) -> Bounds:
    """Fill what ``limits`` leaves open from the server's ``LimitSettings``."""
    chosen = {}
    for item in fields(Bounds):
        own = getattr(limits, item.name)
        chosen[item.name] = getattr(defaults, item.name) if own is None else own
    return Bounds(**chosen)
