"""A second attempt beside a slow one, for read-only operations that ask for it; the first answer wins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.core.context import current_context
from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Answer, Call, Proceed
from holdfast.errors import ConfigurationError
from holdfast.guards.parts import Parts
from holdfast.resources.tracking import internal
from holdfast.safe.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.resilience.hedging import Hedging


class Hedge:
    """At most 5 % more attempts, none while anybody waits for a place; the second one reaches no client."""

    def __init__(self, operation: Operation, hedging: Hedging, sandbox: Sandbox, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._check = operation.arguments.check
        self._hedging = hedging
        self._sandbox = sandbox

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Try, and try again beside it when it takes longer than usual."""
        seconds: list[Call] = []

        async def again() -> Answer:
            self._tell("hedge.sent")
            args = self._check(call.arguments, self._sandbox)
            seconds.append(replace(call, args=args, context=call.context.aside(), meta={}, hold=None))
            current_context.set(seconds[0].context)  # the second attempt's task has variables of its own
            return await proceed(seconds[0])

        with internal():
            answer, outrun = await self._hedging.run(lambda: proceed(call), again)
        if outrun:
            self._tell("hedge.won")
            call.meta |= seconds[0].meta | {f"{META}hedged": True}
        return answer


def recipe(operation: Operation, parts: Parts) -> Hedge | None:
    """Only for operations that say after what time; what changes things never is tried twice at once."""
    after = operation.limits.hedge
    if after is None:
        return None
    if operation.changes_things:
        raise ConfigurationError(
            f"{operation.kind} {operation.name}: only a read_only operation may have Limits(hedge=)"
        )
    from holdfast.resilience.hedging import Hedging

    metrics, shed = parts.metrics.for_tool(operation.name), parts.shed
    total = parts.total if operation.where() == "inline" else parts.elsewhere

    def idle() -> bool:
        return total.queued == 0 and shed.level == 0 and metrics.waiting.read() == 0

    hedging = Hedging(after, parts.clock, parts.background.add, idle)
    return Hedge(operation, hedging, parts.sandbox, parts.metrics.event)
