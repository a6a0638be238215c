"""A bounded number of calls run, a bounded number wait, the rest are told to come back."""

from __future__ import annotations

from holdfast.core.clock import Clock
from holdfast.core.limits import ADAPTIVE
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import DeadlineExceeded
from holdfast.guards.parts import Parts
from holdfast.resilience.adaptive import Gradient
from holdfast.resilience.bulkhead import Bulkhead
from holdfast.resilience.shedding import Shedding


class BulkheadGuard:
    """One bulkhead for the operation, so that it cannot starve its neighbours, and one for all that run where it does.

    A place is given back when the work really ends: an abandoned call keeps its place. What is shed is refused here,
    inside the cache and the fallback, which may still have an answer; while nothing is shed, that costs nothing.
    """

    def __init__(self, own: Bulkhead, total: Bulkhead, shed: Shedding, rank: int) -> None:
        self._own = own
        self._total = total
        self._shed = shed
        self._rank = rank

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Take both places, the operation's own first."""
        own, total = self._own, self._total
        if not own.try_enter_with(total):
            await self._in_line(call.deadline)
        try:
            return await proceed(call)
        finally:
            own.leave_with(total)

    async def _in_line(self, deadline: float | None) -> None:
        """Wait for the one place, then for the other; take both or none."""
        own, total, rank = self._own, self._total, self._rank
        self._shed.check(rank)
        await own.enter(deadline, rank)
        try:
            self._shed.check(rank)  # it may have waited, and the server's state is another now
            await total.enter(deadline, rank)
        except BaseException:  # boundary: whatever ends the wait, the place that was taken is given back
            own.leave()
            raise


class Adaptive(BulkheadGuard):
    """The same, with as many places of the operation's own as its latency bears.

    A call that was answered, or ran out of time, says how long calls take. One that failed, or whose caller went away,
    says nothing: failing is often quick, and would let in more of the same.
    """

    def __init__(self, guard: BulkheadGuard, limit: Gradient, clock: Clock) -> None:
        super().__init__(guard._own, guard._total, guard._shed, guard._rank)
        self._limit = limit
        self._now = clock.now

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Take both places, and learn from how long they were needed."""
        own, total = self._own, self._total
        if not own.try_enter_with(total):
            await self._in_line(call.deadline)
        deadline, begun, counts = call.deadline, self._now(), False
        try:
            answer = await proceed(call)
            counts = True
            return answer
        except DeadlineExceeded:
            counts = True
            raise
        finally:
            now = self._now()
            if counts or (deadline is not None and now >= deadline):
                own.resize(self._limit.sample(now - begun, own.running, now))
            own.leave_with(total)


def recipe(operation: Operation, parts: Parts) -> BulkheadGuard:
    """Every operation has a bulkhead, few one that adapts; what runs on the event loop shares one more."""
    bounds, metrics = parts.bounds(operation), parts.metrics.for_tool(operation.name)
    places, most = bounds.concurrency, parts.settings.limits.total
    limit = Gradient(*(min(bound, most) for bound in ADAPTIVE)) if bounds.adaptive else None
    own = Bulkhead(places if limit is None else limit.limit, bounds.queue, parts.clock)
    metrics.watch_queue(lambda: own.queued)
    total = parts.total if operation.where() == "inline" else parts.elsewhere
    guard = BulkheadGuard(own, total, parts.shed, bounds.rank)
    if limit is None:
        return guard
    metrics.watch("concurrency_limit", lambda: own.places)
    return Adaptive(guard, limit, parts.clock)
