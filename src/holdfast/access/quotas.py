"""What each principal may spend over a period: reserved before a call, given back when it was refused."""

from __future__ import annotations

from collections import OrderedDict

from holdfast.core.clock import Clock
from holdfast.core.limits import parse_rate
from holdfast.errors import QuotaExceeded

MAX_PRINCIPALS = 100_000
"""Principals remembered; past that the one whose period ends first is forgotten."""


class Quota:
    """A fixed window per principal, begun by its first call. Reservation is one step, so concurrent calls cannot spend
    the same unit twice (``x += await f()`` lost 75 % of counts)."""

    def __init__(self, quota: str, clock: Clock, *, max_principals: int = MAX_PRINCIPALS) -> None:
        self._allowed, self._period = parse_rate(quota)
        self._text = quota
        self._clock = clock
        self._max = max_principals
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def reserve(self, principal: str, cost: float) -> None:
        """Take ``cost`` from what is left. Raises ``QuotaExceeded`` with the seconds until the next period."""
        now = self._clock.now()
        ends, spent = self._spent.get(principal, (now + self._period, 0.0))
        if now >= ends:
            ends, spent = now + self._period, 0.0
        if spent + cost > self._allowed:
            raise QuotaExceeded(f"the quota of {self._text} is spent", retry_after=ends - now)
        self._spent[principal] = (ends, spent + cost)
        if spent == 0.0:
            self._spent.move_to_end(principal)
            self._forget(now)

    async def refund(self, principal: str, cost: float) -> None:
        """Give ``cost`` back, for a call that a later guard refused."""
        if principal in self._spent:
            ends, spent = self._spent[principal]
            self._spent[principal] = (ends, max(0.0, spent - cost))

    def _forget(self, now: float) -> None:
        while self._spent:
            principal, (ends, _) = next(iter(self._spent.items()))
            if ends > now and len(self._spent) <= self._max:
                return
            del self._spent[principal]
