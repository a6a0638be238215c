"""Runs the work: inline when asynchronous, in a thread when not, in a process when asked; checks the output."""

from __future__ import annotations

from asyncio import CancelledError, current_task
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from math import inf
from threading import Event
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from holdfast.core.context import InputRequired
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import Busy, DeadlineExceeded, ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.isolation.inline import LoopBlocked, running
from holdfast.isolation.threads import never_begins

if TYPE_CHECKING:
    from holdfast.isolation.hearing import Hearing
    from holdfast.isolation.processes import ProcessPool
    from holdfast.isolation.threads import ThreadPool

Runner = Callable[[Call, Mapping[str, Any]], Awaitable[Any]]
"""Runs the work elsewhere. Sets ``call.ran`` once it has begun there, or may have: what a pool refuses did not."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_ANSWER = 16 * 1024 * 1024
"""Bytes that a pickled value may have at least; what leaves is bounded by ``Limits(output=)``."""


class Run:
    """The innermost guard: nothing is inside it but the author's code, run here or where ``runner`` runs it."""

    def __init__(self, operation: Operation, runner: Runner | None = None) -> None:
        self._prepare = operation.prepare
        self._provides = operation.provides
        self._run = operation.run
        self._present = operation.present
        self._runner = runner

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Provide the dependencies, run, and turn the value into an answer."""
        call.context.restart()
        before, call.ran = call.ran, True
        # providers and checks are authors' code too: the watchdog has to know whose code blocks the loop
        token = running.set(inf if call.deadline is None else call.deadline)
        try:
            if self._provides:
                value = await self._provided(call, before)
            elif self._runner is None:
                work = self._run(call.args, call.context)
                value = await (work if call.meter is None else call.meter.stepped(work))
            else:
                call.ran = before
                value = await self._runner(call, _NOTHING)
            return self._present(value)
        except (Exception, CancelledError) as error:
            if isinstance(error, CancelledError) and not _asked_to_stop():
                raise ToolStopped("the tool raised CancelledError by itself") from error
            if isinstance(error, ExceptionGroup):
                _speak(_sorted(error)[1])
            raise
        except BaseException as error:  # boundary: nothing that a tool raises may end more than its own call
            return _answered(error)
        finally:
            running.reset(token)

    async def _provided(self, call: Call, before: bool) -> Any:
        async with AsyncExitStack() as stack:
            provided = self._prepare(call.args, call.context, stack)
            given = await (provided if call.meter is None else call.meter.stepped(provided))
            if self._runner is None:
                work = self._run(call.args, call.context, **given)
                return await (work if call.meter is None else call.meter.stepped(work))
            call.ran = before
            return await self._runner(call, given)


class ToolStopped(Exception):
    """A tool tried to end more than itself: ``sys.exit()``, or a ``CancelledError`` that nobody asked for."""


def _asked_to_stop() -> bool:
    task = current_task()
    return task is None or task.cancelling() > 0


def _answered(error: BaseException) -> Answer:
    """The client's turn, when the tool asked a question (several at once come as a group); or raises what it means."""
    questions, others = _sorted(error)
    if any(isinstance(other, LoopBlocked) for other in others):
        raise DeadlineExceeded("the tool blocked the server and was interrupted; try again later") from None
    if others:
        _speak(others)
        raise ToolStopped(f"the tool raised {type(error).__name__}") from error
    requests = {key: request for question in questions for key, request in question.requests.items()}
    state = {key: answer for question in questions for key, answer in question.state.items()}
    return Answer({"inputRequests": requests, "requestState": state}, input_required=True)


def _speak(errors: list[BaseException]) -> None:
    """Raise what a group of refusals and messages says, as if it had come alone: a task group makes no fault of it.

    Of several, one that the caller has to mend before the others may pass.
    """
    if all(isinstance(error, Refusal | ToolError | ProtocolError) for error in errors):
        raise min(errors, key=lambda error: bool(getattr(error, "retryable", False)))


def _sorted(error: BaseException) -> tuple[list[InputRequired], list[BaseException]]:
    """The questions in an exception or a tree of groups of them, and everything else."""
    if isinstance(error, InputRequired):
        return [error], []
    if not isinstance(error, BaseExceptionGroup):
        return [], [error]
    parts = [_sorted(inner) for inner in error.exceptions]
    return [question for found, _ in parts for question in found], [other for _, rest in parts for other in rest]


class _Threaded:
    """Runs in the pool of worker threads; a place is free again when the *thread* ends, not when the caller is told."""

    def __init__(self, operation: Operation, pool: ThreadPool, places: int) -> None:
        self._operation = operation
        self._pool = pool
        self._places = places
        self._inside: set[Event] = set()  # bounded by ``places``

    async def __call__(self, call: Call, given: Mapping[str, Any]) -> Any:
        if len(self._inside) >= self._places:
            raise Busy("every thread of this tool is stuck in an earlier call; try again later", code="isolation.stuck")
        begun = Event()
        self._inside.add(begun)
        try:
            value = await self._pool.run(partial(self._work, begun, call, given))
        except CancelledError as left:
            call.context.cancelled = True
            if not never_begins(left):
                call.ran = True
            raise
        finally:
            if begun.is_set():
                call.ran = True
            else:
                self._inside.discard(begun)  # the pool had no thread for it, or it was given up while it waited
        if isinstance(value, _Asked):
            raise value.question
        return value

    def _work(self, begun: Event, call: Call, given: Mapping[str, Any]) -> Any:
        begun.set()
        self._inside.add(begun)
        try:
            work = partial(self._operation.run, call.args, call.context, **given)
            return work() if call.meter is None else call.meter.timed(work)
        except InputRequired as question:
            return _Asked(question)
        finally:
            self._inside.discard(begun)


class _Asked:
    """Carries a question from a thread to the loop: the pool would take it for an attempt to end the thread."""

    def __init__(self, question: InputRequired) -> None:
        self.question = question


def _processed(operation: Operation, processes: Callable[[], ProcessPool], parts: Parts) -> Runner:
    bounds = parts.bounds(operation)
    limit, memory, answer = bounds.timeout, bounds.memory, max(_ANSWER, 2 * bounds.output)

    async def made(call: Call, hearing: Hearing) -> Any:
        context = call.context
        left = limit if call.deadline is None else max(0.0, call.deadline - parts.clock.now())
        function, arguments = operation.detached(call.args)

        def begun() -> None:
            call.ran = True

        try:
            value = await processes().run(
                function, *arguments, timeout=left, memory=memory, answer=answer, name=operation.name,
                identity=(context.request_id, context.principal, context.era), heard=hearing, begun=begun,
            )  # fmt: skip
            await hearing.finish()
            return value
        finally:
            hearing.drop()

    async def runner(call: Call, given: Mapping[str, Any]) -> Any:
        from holdfast.isolation.hearing import Hearing

        work = made(call, Hearing(call.context))
        return await (work if call.meter is None else call.meter.wait(work))

    return runner


def recipe(operation: Operation, parts: Parts) -> Run:
    """Every operation runs somewhere."""
    where = operation.where()
    if where == "inline":
        return Run(operation)
    if where == "thread":
        places = parts.bounds(operation).concurrency
        return Run(operation, _Threaded(operation, parts.threads, places))
    return Run(operation, _processed(operation, parts.processes, parts))
