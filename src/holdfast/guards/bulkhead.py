"""A bounded number of calls run, a bounded number wait, the rest are told to come back."""

from __future__ import annotations

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.guards.parts import Parts
from holdfast.resilience.bulkhead import Bulkhead


class BulkheadGuard:
    """One bulkhead for the operation, so that it cannot starve its neighbours, and one for all that run where it does.

    A place is given back when the work really ends: an abandoned call keeps its place.
    """

    def __init__(self, own: Bulkhead, total: Bulkhead) -> None:
        self._own = own
        self._total = total

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Take both places, the operation's own first."""
        own, total = self._own, self._total
        if not own.try_enter_with(total):
            await _in_line(own, total, call.deadline)
        try:
            return await proceed(call)
        finally:
            own.leave_with(total)


async def _in_line(own: Bulkhead, total: Bulkhead, deadline: float | None) -> None:
    """Wait for the one place, then for the other; take both or none."""
    await own.enter(deadline)
    try:
        await total.enter(deadline)
    except BaseException:  # boundary: whatever ends the wait, the place that was taken is given back
        own.leave()
        raise


def recipe(operation: Operation, parts: Parts) -> BulkheadGuard:
    """Every operation has a bulkhead; what runs on the event loop shares one more, and what does not another."""
    bounds = parts.bounds(operation)
    own = Bulkhead(bounds.concurrency, bounds.queue, parts.clock)
    parts.metrics.for_tool(operation.name).watch_queue(lambda: own.queued)
    return BulkheadGuard(own, parts.total if operation.where() == "inline" else parts.elsewhere)
