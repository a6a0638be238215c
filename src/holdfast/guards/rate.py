"""What one principal may spend on one operation now."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from holdfast.core.limits import parse_rate
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import RateLimited
from holdfast.guards.parts import Parts
from holdfast.resilience.limiter import KeyedLimiter


class Rate:
    """Refuses at once, and says when to come back; it never makes a caller wait."""

    def __init__(self, limiter: KeyedLimiter, rate: str) -> None:
        self._limiter = limiter
        self._rate = rate

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:
        """Take one unit from the principal's bucket."""
        wait = self._limiter.take(call.principal.name)
        if wait is not None:
            raise RateLimited(f"too many calls: at most {self._rate}; try again in {wait:.1f} s", retry_after=wait)
        return proceed(call)


def recipe(operation: Operation, parts: Parts) -> Rate:
    """Every operation has a rate; a bucket for each principal, remembered up to a number."""
    rate = parts.bounds(operation).rate
    count, period = parse_rate(rate)
    if count < 1:  # "0.5/second" is one in two seconds: a call takes one whole unit
        count, period = 1.0, period / count
    return Rate(KeyedLimiter(count, period, parts.clock, max_keys=parts.settings.limits.principals), rate)
