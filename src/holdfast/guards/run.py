"""Runs the work: inline when asynchronous, in a thread when not, in a process when asked; checks the output."""

from __future__ import annotations

from asyncio import CancelledError, current_task
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from holdfast.core.context import InputRequired
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import Busy, DeadlineExceeded
from holdfast.guards.parts import Parts
from holdfast.isolation.inline import LoopBlocked, inline
from holdfast.isolation.processes import ProcessPool
from holdfast.isolation.threads import ThreadPool

Runner = Callable[[Call, Mapping[str, Any]], Awaitable[Any]]


class Run:
    """The innermost guard: nothing is inside it but the author's code."""

    def __init__(self, operation: Operation, runner: Runner) -> None:
        self._prepare = operation.prepare
        self._present = operation.present
        self._runner = runner

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Provide the dependencies, run, and turn the value into an answer."""
        call.context.restart()
        try:
            async with AsyncExitStack() as stack:
                given = await self._prepare(call.args, call.context, stack)
                value = await self._runner(call, given)
            return self._present(value)
        except InputRequired as question:
            body = {"inputRequests": dict(question.requests), "requestState": dict(question.state)}
            return Answer(body, input_required=True)
        except LoopBlocked:
            raise DeadlineExceeded("the tool blocked the server and was interrupted; try again later") from None
        except CancelledError as error:
            if _asked_to_stop():
                raise
            raise ToolStopped("the tool raised CancelledError by itself") from error
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            raise ToolStopped(f"the tool raised {type(error).__name__}") from error


class ToolStopped(Exception):
    """A tool tried to end more than itself: ``sys.exit()``, or a ``CancelledError`` that nobody asked for."""


def _asked_to_stop() -> bool:
    task = current_task()
    return task is None or task.cancelling() > 0


def _inline(operation: Operation) -> Runner:
    async def runner(call: Call, given: Mapping[str, Any]) -> Any:
        return await inline(call.deadline, operation.run, call.args, call.context, given)

    return runner


class _Threaded:
    """Runs in the pool of worker threads; a place is free again when the *thread* ends, not when the caller is told."""

    def __init__(self, operation: Operation, pool: ThreadPool, places: int) -> None:
        self._operation = operation
        self._pool = pool
        self._places = places
        self._inside: set[object] = set()  # bounded by ``places``

    async def __call__(self, call: Call, given: Mapping[str, Any]) -> Any:
        if len(self._inside) >= self._places:
            raise Busy("every thread of this tool is stuck in an earlier call; try again later", code="isolation.stuck")
        place = object()
        self._inside.add(place)
        try:
            return await self._pool.run(partial(self._work, place, call, given))
        except Busy:
            self._inside.discard(place)  # the pool had no thread for it
            raise

    def _work(self, place: object, call: Call, given: Mapping[str, Any]) -> Any:
        try:
            return self._operation.run(call.args, call.context, **given)
        finally:
            self._inside.discard(place)


def _processed(operation: Operation, processes: Callable[[], ProcessPool], parts: Parts) -> Runner:
    limit = operation.limits.timeout or parts.settings.limits.timeout

    async def runner(call: Call, given: Mapping[str, Any]) -> Any:
        left = limit if call.deadline is None else max(0.0, call.deadline - parts.clock.now())
        function, arguments = operation.detached(call.args)
        return await processes().run(function, *arguments, timeout=left)

    return runner


def recipe(operation: Operation, parts: Parts) -> Run:
    """Every operation runs somewhere."""
    where = operation.where()
    if where == "inline":
        return Run(operation, _inline(operation))
    if where == "thread":
        places = operation.limits.concurrency or parts.settings.limits.concurrency
        return Run(operation, _Threaded(operation, parts.threads, places))
    return Run(operation, _processed(operation, parts.processes, parts))
