"""Leaves an operation that keeps failing alone for a while, so that it can mend and callers hear it at once."""

from __future__ import annotations

from asyncio import CancelledError

from holdfast.core.clock import Clock
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import Busy, DeadlineExceeded, ProcessDied, ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.resilience.breaker import Breaker, State
from holdfast.resilience.pace import Pace

FRESH = 0.9
"""The share of the time limit that is left to calls that hardly waited: they are begun, whatever is known."""


class BreakerGuard:
    """Counts attempts. What the caller did wrong is never counted; running out of time is.

    A call that waited in line may have too little time left for what attempts take; it is told so in place of being
    begun. Otherwise, in a line as long as the time limit, each call has its turn when its time is nearly over: goodput
    fell to a tenth of capacity, and the breaker opened upon a tool that was well (simulated: three times the load).
    """

    def __init__(self, breaker: Breaker, clock: Clock, timeout: float = 0.0) -> None:
        self._breaker = breaker
        self._now = clock.now
        self._fresh = FRESH * timeout
        self._pace: Pace | None = None  # from the first call on that waited: most operations never need it

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Ask for a permit, and say how the attempt went."""
        breaker, clock, deadline = self._breaker, self._now, call.deadline
        ticket, begun = breaker.admit(), clock()
        try:
            if deadline is not None and deadline - begun < self._fresh:
                self._check(deadline - begun)
            answer = await proceed(call)
        except BaseException as error:  # boundary: whatever the tool failed with is counted, then raised again
            now = clock()
            late = deadline is not None and now >= deadline
            breaker.settle(ticket, _failed(error, late), now - begun, now)
            if late and self._pace is not None:
                self._pace.outlasted(now - begun)
            raise
        now = clock()
        breaker.settle(ticket, deadline is not None and now >= deadline, now - begun, now)
        if self._pace is not None:
            self._pace.took(now - begun)
        return answer

    def _check(self, left: float) -> None:
        """Refuse what cannot be done in ``left`` seconds."""
        pace = self._pace
        if pace is None:
            self._pace = Pace()
        elif left < pace.needed:
            text = "this tool is busy, and too little of the call's time was left when its turn came; try again later"
            raise Busy(text, retry_after=pace.needed)


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
    return BreakerGuard(breaker, parts.clock, parts.bounds(operation).timeout)
