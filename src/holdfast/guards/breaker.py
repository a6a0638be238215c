"""Leaves an operation that keeps failing alone for a while, so that it can mend and callers hear it at once."""

from __future__ import annotations

from asyncio import CancelledError

from holdfast.core.clock import Clock
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import DeadlineExceeded, ProcessDied, ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.resilience.breaker import Breaker, State


class BreakerGuard:
    """Counts attempts. What the caller did wrong is never counted; running out of time is."""

    def __init__(self, breaker: Breaker, clock: Clock) -> None:
        self._breaker = breaker
        self._now = clock.now

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Ask for a permit, and say how the attempt went."""
        breaker, clock, deadline = self._breaker, self._now, call.deadline
        ticket, begun = breaker.admit(), clock()
        try:
            answer = await proceed(call)
        except BaseException as error:  # boundary: whatever the tool failed with is counted, then raised again
            now = clock()
            breaker.settle(ticket, _failed(error, deadline is not None and now >= deadline), now - begun, now)
            raise
        now = clock()
        breaker.settle(ticket, deadline is not None and now >= deadline, now - begun, now)
        return answer


def _failed(error: BaseException, late: bool) -> bool | None:
    """Whether an attempt that ended so counts as failed: past the deadline it does, however it ended."""
    if isinstance(error, ToolError):
        return late
    if isinstance(error, CancelledError):
        return late or None  # the client went away: that says nothing about the operation
    if isinstance(error, Refusal | ProtocolError):
        return True if isinstance(error, DeadlineExceeded | ProcessDied) else None
    return True


def recipe(operation: Operation, parts: Parts) -> BreakerGuard:
    """Every operation has a breaker of its own."""
    metrics, events, name = parts.metrics, parts.events, operation.name
    kept, key = parts.breakers, f"{operation.kind} {operation.name}"

    def told(old: State, new: State) -> None:
        metrics.event(f"breaker.{new}")
        events.emit("breaker.changed", tool=name, state=new)
        parts.log.warning("breaker", tool=name, state=new, before=old)
        kept.changed(key)

    breaker = Breaker(parts.clock, rng=parts.random, on_change=told)
    kept.watch(key, breaker)
    return BreakerGuard(breaker, parts.clock)
