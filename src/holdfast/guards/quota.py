"""What one principal may spend in all: calls, processor time, bytes and cost, reserved before and settled after."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticSerializationError, to_json

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.guards.parts import Parts
from holdfast.safe.json import dumps

if TYPE_CHECKING:
    from holdfast.access.quotas import Plan

FIRST_CPU: Final = 0.01
"""Seconds that a call is expected to take before any has been measured."""
FIRST_BYTES: Final = 1_024.0
"""Bytes, arguments and answer together, likewise."""
LEAST_CPU: Final = 0.000_1
"""Seconds that are reserved at least: whoever has nothing left must be seen to."""
WEIGHT: Final = 0.125
"""How much of an expectation the last call is (as TCP smooths its round trips, RFC 6298, section 2)."""


class QuotaGuard:
    """Reserves what a call will probably take, and settles what it took, however it ended.

    A call whose work never began gives everything back. One that began costs what it used, also when it failed, was
    late or was cancelled. What runs on in a thread after its deadline is counted up to then, by the clock on the wall.
    """

    def __init__(self, plan: Plan, cost: float, timeout: float, output: int) -> None:
        self._plan = plan
        self._cost = cost
        self._timeout = timeout
        self._output = output
        self._measures_cpu = "cpu" in plan.dimensions
        self._measures_bytes = "bytes" in plan.dimensions
        self._cpu = min(FIRST_CPU, timeout)
        self._bytes = FIRST_BYTES

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Reserve, then settle: concurrent calls cannot spend the same unit twice."""
        hold = await self._plan.reserve(
            call.principal.name, {"calls": 1.0, "cost": self._cost, "cpu": self._cpu, "bytes": self._bytes}
        )
        if hold is None:
            return await proceed(call)
        if self._measures_cpu:
            from holdfast.resources.metering import Meter

            call.meter = Meter()
        answer: Answer | None = None
        begun = perf_counter()
        try:
            answer = await proceed(call)
            return answer
        finally:  # whichever way it ends, cancelled by a client that left included
            spent = call.ran or answer is not None
            self._plan.settle(hold, self._used(call, answer, perf_counter() - begun) if spent else None)

    def _used(self, call: Call, answer: Answer | None, elapsed: float) -> dict[Any, float]:
        used = {"calls": 1.0, "cost": self._cost, "cpu": 0.0, "bytes": 0.0}
        if call.meter is not None:
            used["cpu"] = call.meter.spent(elapsed)
            self._cpu += WEIGHT * (min(used["cpu"], self._timeout) - self._cpu)
            self._cpu = max(self._cpu, LEAST_CPU)
        if self._measures_bytes:
            used["bytes"] = float(call.bytes_in + (0 if answer is None else min(_size(answer), self._output)))
            self._bytes = max(1.0, self._bytes + WEIGHT * (used["bytes"] - self._bytes))
        return used


def _size(answer: Answer) -> int:
    """Bytes of an answer as JSON, as the tool gave it; what leaves may be a little less."""
    if answer.encoded is not None:
        return len(answer.encoded)
    try:
        return len(to_json(answer.body, inf_nan_mode="null"))
    except (PydanticSerializationError, UnicodeEncodeError):  # a lone surrogate, which egress replaces
        return len(dumps(answer.body))


def recipe(operation: Operation, parts: Parts) -> QuotaGuard | None:
    """Only where something is limited that calls of the operation spend."""
    bounds = parts.bounds(operation)
    plan = None if parts.quota is None else parts.quota.plan(operation.kind, _name(operation))
    if plan is None or (plan.dimensions == {"cost"} and bounds.cost <= 0):
        return None
    return QuotaGuard(plan, bounds.cost, bounds.timeout, bounds.output)


def _name(operation: Operation) -> str:
    """As grants and quotas know it: a resource by its URI, or its template."""
    return str(getattr(operation, "uri", operation.name)) if operation.kind == "resource" else operation.name
