"""A lesser answer when the operation itself has none to give, marked as such."""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

from holdfast.core.clock import Clock
from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Answer, Call, Proceed
from holdfast.errors import ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.isolation.inline import running
from holdfast.resilience.deadline import GRACE, Orphans, by
from holdfast.safe.sandbox import Sandbox

RESERVED = 0.2
"""Share of the deadline that is kept for the fallback."""
_UNAVAILABLE = ("deadline.exceeded", "breaker.open", "busy", "server.overloaded", "isolation.stuck")
"""Refusals that mean: the operation cannot answer now. Others are the caller's to mend."""


class Fallback:
    """Calls ``fallback(args, ctx)`` (or with fewer parameters) when the operation fails or is unavailable."""

    def __init__(self, operation: Operation, sandbox: Sandbox, clock: Clock, orphans: Orphans) -> None:
        self._check = operation.arguments.check
        self._sandbox = sandbox
        self._function: Callable[..., Any] = operation.fallback
        self._takes = len(inspect.signature(operation.fallback).parameters)
        self._present = operation.present
        self._clock = clock
        self._orphans = orphans

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Give the operation its share of the deadline, then answer in its place."""
        try:
            return await self._proceed(proceed, call)
        except (ToolError, ProtocolError):
            raise
        except Refusal as refusal:
            if refusal.code not in _UNAVAILABLE:
                raise
        except Exception as error:  # boundary: whatever the operation failed with, the fallback answers
            call.context.log.warning("fallback", failure=type(error).__name__)
        answer = self._present(await self._instead(call))
        call.meta[f"{META}fallback"] = True
        return answer

    async def _proceed(self, proceed: Proceed, call: Call) -> Answer:
        if call.deadline is None:
            return await proceed(call)
        whole = call.deadline
        kept = (whole - self._clock.now()) * RESERVED
        call.deadline = call.context.deadline = whole - kept  # for all that is inside
        grace = min(GRACE, kept / 2)
        try:
            return await by(call.deadline, self._clock, proceed(call), grace=grace, on_orphan=self._orphans.add)
        finally:
            call.deadline = call.context.deadline = whole

    async def _instead(self, call: Call) -> Any:
        if call.ran:  # the attempt before may have emptied a list of them
            call.args = self._check(call.arguments, self._sandbox)
        call.ran = True
        token = running.set(inf if call.deadline is None else call.deadline)
        try:
            work, meter = partial(self._function, *(call.args, call.context)[: self._takes]), call.meter
            value = work() if meter is None else meter.timed(work)
            if not inspect.isawaitable(value):
                return value
            return await (value if meter is None else meter.stepped(value))
        except (Exception, CancelledError):
            raise
        except BaseException as error:  # boundary: sys.exit() or a question must not end more than this call
            raise RuntimeError(f"the fallback raised {type(error).__name__}") from error
        finally:
            running.reset(token)


def recipe(operation: Operation, parts: Parts) -> Fallback | None:
    """Only for operations that have a fallback."""
    return None if operation.fallback is None else Fallback(operation, parts.sandbox, parts.clock, parts.orphans)
