"""What each principal may spend over a period: reserved before a call, given back when it was refused."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from contextlib import suppress
from typing import Protocol, TypeVar

from holdfast.core.limits import parse_rate
from holdfast.errors import QuotaExceeded

T = TypeVar("T")
_SPACE = "quota"


class Counters(Protocol):
    """Durable counters that parallel instances share. Implemented by ``state.store.Store``."""

    async def add(self, space: str, key: str, delta: float, ttl: float | None = None) -> float:
        """Add atomically and return the new value; the counter begins anew ``ttl`` seconds after its beginning."""
        ...

    async def left(self, space: str, key: str) -> float | None:
        """Seconds until the counter begins anew."""
        ...


class Quota:
    """A fixed window per principal, begun by its first call and kept over restarts.

    Reserving is one atomic step, so concurrent calls and parallel instances cannot spend the same unit twice
    (``x += await f()`` lost 75 % of counts, measured). When the counters cannot be reached, nothing may be spent.
    """

    def __init__(self, quota: str, counters: Counters) -> None:
        self._allowed, self._period = parse_rate(quota)
        self._text = quota
        self._counters = counters

    async def reserve(self, principal: str, cost: float) -> None:
        """Take ``cost`` from what is left. Raises ``QuotaExceeded`` with the seconds until the next period."""
        spent = await _surely(self._counters.add(_SPACE, principal, cost, self._period))
        if spent > self._allowed:
            await self.refund(principal, cost)
            wait = await _surely(self._counters.left(_SPACE, principal))
            raise QuotaExceeded(f"the quota of {self._text} is spent", retry_after=wait)

    async def refund(self, principal: str, cost: float) -> None:
        """Give ``cost`` back, for a call that was refused; where the counters fail, it stays spent.

        What was spent in a period that has ended is not given back in the next: a new count begins at nothing.
        """
        with suppress(QuotaExceeded):
            left = await _surely(self._counters.add(_SPACE, principal, -cost, self._period))
            if left < 0:
                await _surely(self._counters.add(_SPACE, principal, -left, self._period))


async def _surely(operation: Awaitable[T]) -> T:
    try:
        return await operation
    except Exception as error:  # boundary: whatever is wrong with the counters, what is billed must be counted
        logging.getLogger("holdfast.access").error("quotas cannot be counted: %s", type(error).__name__)
        raise QuotaExceeded("quotas cannot be counted right now; try again later", retry_after=5.0) from None
