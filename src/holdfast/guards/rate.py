"""What one principal may spend on one operation now."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Coroutine
from typing import Any

from holdfast.core.clock import Clock
from holdfast.core.limits import parse_rate
from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Answer, Call, Proceed
from holdfast.errors import ProtocolError, RateLimited, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.resilience.adaptive import Share
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


class AdaptiveRate:
    """The same, with less than the rate while the operation fails: the tool's failures count, not the principal's."""

    def __init__(self, limiter: KeyedLimiter, rate: str, share: Share, clock: Clock) -> None:
        self._limiter = limiter
        self._rate = rate
        self._share = share
        self._now = clock.now

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Take one unit from what is left of the principal's bucket, and see how the call ends."""
        share = self._share.at(self._now())
        self._limiter.ease(share)
        wait = self._limiter.take(call.principal.name)
        if wait is not None:
            why = f"too many calls: at most {self._rate}" if share == 1 else "this tool fails often now and takes fewer"
            raise RateLimited(f"{why}; try again in {wait:.1f} s", retry_after=wait)
        try:
            answer = await proceed(call)
        except BaseException as error:  # boundary: whatever the tool failed with is counted, then raised again
            self._settle(_failed(error))
            raise
        self._settle(True if f"{META}fallback" in call.meta else None if answer.is_error else False)
        return answer

    def _settle(self, failed: bool | None) -> None:
        if failed is not None:
            self._share.settle(failed, self._now())


def _failed(error: BaseException) -> bool | None:
    """Whether the operation failed; ``None`` where that says nothing about it, but about caller, guard or server."""
    if isinstance(error, ToolError):
        return True if error.retryable else None
    if isinstance(error, Refusal):
        return True if error.code.partition(".")[0] in _FAILURES else None
    return None if isinstance(error, ProtocolError | CancelledError) else True


_FAILURES = ("deadline", "breaker", "isolation")
"""Refusals that tell of the operation itself: it was late, failed before, or did not come back."""


def recipe(operation: Operation, parts: Parts) -> Rate | AdaptiveRate:
    """Every operation has a rate; a bucket for each principal, remembered up to a number."""
    bounds = parts.bounds(operation)
    rate = bounds.rate
    count, period = parse_rate(rate)
    if count < 1:  # "0.5/second" is one in two seconds: a call takes one whole unit
        count, period = 1.0, period / count
    limiter = KeyedLimiter(count, period, parts.clock, max_keys=parts.settings.limits.principals)
    if not bounds.adaptive_rate:
        return Rate(limiter, rate)
    share = Share(parts.clock.now())
    parts.metrics.for_tool(operation.name).watch("rate_share", lambda: share.at(parts.clock.now()))
    return AdaptiveRate(limiter, rate, share, parts.clock)
