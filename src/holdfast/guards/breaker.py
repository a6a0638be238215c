"""Leaves an operation that keeps failing alone for a while, so that it can mend and callers hear it at once."""

from __future__ import annotations

from asyncio import CancelledError

from holdfast.core.clock import Clock
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import DeadlineExceeded, ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.resilience.breaker import Breaker, Permit, State


class BreakerGuard:
    """Counts attempts. What the caller did wrong is never counted; running out of time is."""

    def __init__(self, breaker: Breaker, clock: Clock) -> None:
        self._breaker = breaker
        self._clock = clock

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Ask for a permit, and say how the attempt went."""
        permit = self._breaker.permit()
        begun, deadline = self._clock.now(), call.deadline
        try:
            answer = await proceed(call)
        except (ToolError, CancelledError) as error:
            self._settle(permit, error, begun, deadline)
            raise
        except (Refusal, ProtocolError) as error:
            if isinstance(error, DeadlineExceeded):
                permit.failure(self._clock.now() - begun)
            permit.release()
            raise
        except BaseException:  # boundary: whatever the tool failed with is counted, then raised again
            permit.failure(self._clock.now() - begun)
            raise
        self._settle(permit, None, begun, deadline)
        return answer

    def _settle(self, permit: Permit, error: BaseException | None, begun: float, deadline: float | None) -> None:
        """Count an attempt that did not fail by itself: past the deadline it failed all the same, however it ended."""
        now = self._clock.now()
        if deadline is not None and now >= deadline:
            permit.failure(now - begun)
        elif isinstance(error, CancelledError):
            permit.release()  # the client went away: that says nothing about the operation
        else:
            permit.success(now - begun)


def recipe(operation: Operation, parts: Parts) -> BreakerGuard:
    """Every operation has a breaker of its own."""
    metrics, events, name = parts.metrics, parts.events, operation.name

    def told(old: State, new: State) -> None:
        metrics.event(f"breaker.{new}")
        events.emit("breaker.changed", tool=name, state=new)
        parts.log.warning("breaker", tool=name, state=new, before=old)

    return BreakerGuard(Breaker(parts.clock, rng=parts.random, on_change=told), parts.clock)
