"""What one principal may spend in all, over every operation of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import Refusal
from holdfast.guards.parts import Parts

if TYPE_CHECKING:
    from holdfast.access.quotas import Quota


class QuotaGuard:
    """Reserves a call's cost before it runs; gives it back when a later guard refused the call."""

    def __init__(self, quota: Quota, cost: float) -> None:
        self._quota = quota
        self._cost = cost

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Reserve, then settle: concurrent calls cannot spend the same unit twice."""
        principal = call.principal.name
        await self._quota.reserve(principal, self._cost)
        try:
            return await proceed(call)
        except Refusal as refusal:
            if refusal.code != "deadline.exceeded":  # that call did run
                await self._quota.refund(principal, self._cost)
            raise


def recipe(operation: Operation, parts: Parts) -> QuotaGuard | None:
    """Only where a quota is set, and for operations that cost something."""
    cost = parts.bounds(operation).cost
    return QuotaGuard(parts.quota, cost) if parts.quota is not None and cost > 0 else None
