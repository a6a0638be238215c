"""Lesser answers, in turn, when the operation itself has none to give; marked as such."""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from functools import partial
from math import inf
from typing import Any, TypeVar

from holdfast.core.clock import Clock
from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Answer, Call, Proceed
from holdfast.errors import Refusal
from holdfast.guards.parts import Parts
from holdfast.isolation.inline import running
from holdfast.resilience.deadline import GRACE, Orphans, by
from holdfast.resilience.fallback import RESERVED, may_stand_in, share
from holdfast.safe.sandbox import Sandbox

T = TypeVar("T")


class Fallback:
    """Calls each ``fallback(args, ctx)`` (or with fewer parameters) in turn while the one before failed.

    The operation has what ``RESERVED`` leaves of the deadline; of the rest, each fallback has an even share of what
    those before it have left over.
    """

    def __init__(self, operation: Operation, sandbox: Sandbox, clock: Clock, orphans: Orphans) -> None:
        self._check = operation.arguments.check
        self._sandbox = sandbox
        self._functions = [(each, len(inspect.signature(each).parameters)) for each in operation.fallbacks]
        self._present = operation.present
        self._clock = clock
        self._orphans = orphans

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Give the operation its share of the deadline, then answer in its place."""
        kept = 0.0 if call.deadline is None else (call.deadline - self._clock.now()) * RESERVED
        try:
            until = None if call.deadline is None else call.deadline - kept
            return await self._within(call, until, min(GRACE, kept / 2), lambda: proceed(call))
        except Exception as error:  # boundary: whatever the operation failed with, a fallback answers
            self._pass_over(call, error)
        for number, (function, takes) in enumerate(self._functions, start=1):
            try:
                answer = self._present(await self._instead(call, partial(self._call, call, function, takes), number))
            except Exception as error:  # boundary: as above, while there is another one
                if number == len(self._functions):
                    raise
                self._pass_over(call, error)
                continue
            call.meta[f"{META}fallback"] = True
            return answer
        raise RuntimeError("an operation with no fallback has no such guard")  # pragma: no cover - see the recipe

    def _pass_over(self, call: Call, error: Exception) -> None:
        """Go on to the next answer, or raise what is the caller's to hear."""
        if not may_stand_in(error):
            raise error
        if not isinstance(error, Refusal):
            call.context.log.warning("fallback", failure=type(error).__name__)

    async def _instead(self, call: Call, work: Callable[[], Coroutine[Any, Any, T]], number: int) -> T:
        """The answer of one fallback; the last one has all that is left, and is held to it further out."""
        left = 1 + len(self._functions) - number
        if call.deadline is None or left == 1:
            return await work()
        now = self._clock.now()
        until = share(now, call.deadline, left)
        return await self._within(call, until, min(GRACE, (until - now) / 2), work)

    async def _within(
        self, call: Call, until: float | None, grace: float, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """Hold ``work`` to a part of the call's time, which is the deadline for all that is inside."""
        if until is None:
            return await work()
        whole = call.deadline
        call.deadline = call.context.deadline = until
        try:
            return await by(until, self._clock, work(), grace=grace, on_orphan=self._orphans.add)
        finally:
            call.deadline = call.context.deadline = whole

    async def _call(self, call: Call, function: Callable[..., Any], takes: int) -> Any:
        if call.ran:  # the attempt before may have emptied a list of them
            call.args = self._check(call.arguments, self._sandbox)
        call.ran = True
        token = running.set(inf if call.deadline is None else call.deadline)
        try:
            work, meter = partial(function, *(call.args, call.context)[:takes]), call.meter
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
    return Fallback(operation, parts.sandbox, parts.clock, parts.orphans) if operation.fallbacks else None
