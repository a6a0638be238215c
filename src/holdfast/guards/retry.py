"""Another try for operations that may be repeated, when the world failed and not the caller."""

from __future__ import annotations

from random import Random

from holdfast.core.clock import Clock
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.guards.parts import Parts
from holdfast.resilience.retry import Again, RetryBudget, is_transient
from holdfast.safe.sandbox import Sandbox

ATTEMPTS = 3
"""Tries in all, the first included."""


class Retry:
    """Budgeted over the whole server (at most 20 % more calls), with full jitter, inside the call's deadline.

    Calls count once their work has begun: those that are refused further in, in an overload most, ask nothing of what
    the budget protects, and would earn retries that it cannot bear.
    """

    def __init__(
        self, operation: Operation, sandbox: Sandbox, budget: RetryBudget, clock: Clock, random: Random
    ) -> None:
        self._check = operation.arguments.check
        self._sandbox = sandbox
        self._budget = budget
        self._clock = clock
        self._now = clock.now
        self._random = random

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Try; on an operational failure try again while budget and deadline allow."""
        try:
            answer = await proceed(call)
        except Exception as failure:  # boundary: decides which failures are tried again; others go on
            if call.ran:
                self._budget.call(self._now())
            if not is_transient(failure):
                raise
            again = Again(ATTEMPTS, self._budget, self._clock, call.deadline, self._random)
            pause = again.pause(failure)
            if pause is None:
                raise
        else:
            self._budget.call(self._now())
            return answer
        return await again.run(lambda _attempt: proceed(self._renewed(call)), pause)

    def _renewed(self, call: Call) -> Call:
        """With arguments as they were sent: the attempt before may have emptied a list of them."""
        call.args = self._check(call.arguments, self._sandbox)
        return call


def recipe(operation: Operation, parts: Parts) -> Retry | None:
    """Only for operations that are read-only or idempotent: a repeated side effect is worse than an error."""
    if not (operation.idempotent or operation.read_only):
        return None
    return Retry(operation, parts.sandbox, parts.budget, parts.clock, parts.random)
