"""Notes the tasks and processes that a call starts, by a task factory and an audit hook, with the call's tracker."""

from __future__ import annotations

import asyncio
import subprocess  # nosec B404 - nothing is started here
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from types import FrameType
from typing import Any, Final

from holdfast.errors import Busy
from holdfast.resources.tracker import Occupancy, Tracker, Usage
from holdfast.safe.handle import current_scope

__all__ = ["Occupancy", "Tracker", "Usage", "detached", "holdfast_internal", "install", "internal"]

holdfast_internal: ContextVar[bool] = ContextVar("holdfast_internal", default=False)
"""True while holdfast itself creates tasks or processes in a call's context; see ``internal``."""

_Coro = Generator[Any, None, Any] | Coroutine[Any, Any, Any]


@contextmanager
def internal() -> Iterator[None]:
    """Tasks and processes started in the block are holdfast's own and are not noted.

    One level deep: what such a task starts in turn is the call's again. So a guard may run the tool in a task of the
    guard's own, and the tool's tasks are still tracked.
    """
    token = holdfast_internal.set(True)
    try:
        yield
    finally:
        holdfast_internal.reset(token)


@contextmanager
def detached() -> Iterator[None]:
    """Tasks, processes and handles of the block, and of all that is started in it, outlive the call.

    For what is begun on first use and shared by later calls, such as a connection pool.
    """
    token = current_scope.set(None)
    try:
        yield
    finally:
        current_scope.reset(token)


def install(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Note what calls start on ``loop`` (tasks) and in the process (``subprocess.Popen``); return what undoes it.

    Works over a task factory that is set already, and keeps its eager tasks eager. The audit hook cannot be taken
    out of the interpreter; it is added once a process and sleeps while nothing is installed. Not noted: processes
    started without ``subprocess.Popen`` (``os.fork``, uvloop's own spawn).
    """
    before = loop.get_task_factory()
    factory = _Factory(before)
    loop.set_task_factory(factory)
    _POPENS.wake()

    def undo() -> None:
        if not factory.awake:
            return
        factory.awake = False  # somebody may have built a factory upon ours: then it only passes through
        if loop.get_task_factory() is factory:
            loop.set_task_factory(before)
        _POPENS.sleep()

    return undo


class _Factory:
    """Creates tasks as before and notes those whose context belongs to a call."""

    def __init__(self, before: Any) -> None:
        self._create = before
        self.awake = True

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: _Coro, **options: Any) -> asyncio.Future[Any]:
        context: Context | None = options.get("context")
        scope = current_scope.get() if context is None else context.get(current_scope)
        if not self.awake or not isinstance(scope, Tracker):
            return self._make(loop, coro, options)
        if _flag(context):
            options["context"] = _with_flag_down(context)
            return self._make(loop, coro, options)
        if type(coro).__name__ == "async_generator_athrow":  # the loop closes a generator, in whatever context it is
            return self._make(loop, coro, options)
        try:
            scope.admit_task()
        except Busy:
            coro.close()
            raise
        task = self._make(loop, coro, options)
        if not task.done():  # an eager task may have ended already
            scope.task(task)
        return task

    def _make(self, loop: asyncio.AbstractEventLoop, coro: _Coro, options: dict[str, Any]) -> asyncio.Future[Any]:
        if self._create is not None:
            task: asyncio.Future[Any] = self._create(loop, coro, **options)
            return task
        return asyncio.Task(coro, loop=loop, **options)


def _flag(context: Context | None) -> bool:
    return holdfast_internal.get() if context is None else context.get(holdfast_internal, False)


def _with_flag_down(context: Context | None) -> Context:
    context = copy_context() if context is None else context.copy()  # a copy: the given one may be entered
    context.run(holdfast_internal.set, False)
    return context


class _PopenHook:
    """Audit hooks belong to the interpreter and stay until it ends, so there is exactly one, which can sleep."""

    def __init__(self) -> None:
        self._users = 0
        self._added = False

    def wake(self) -> None:
        self._users += 1
        if not self._added:
            self._added = True
            sys.addaudithook(self._hear)

    def sleep(self) -> None:
        self._users -= 1

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "subprocess.Popen" or self._users <= 0:
            return
        scope = current_scope.get()
        if not isinstance(scope, Tracker) or holdfast_internal.get():
            return
        frame = sys._getframe(1)  # subprocess.Popen._execute_child, just before the child exists
        popen = frame.f_locals.get("self")
        if isinstance(popen, subprocess.Popen):
            scope.process(popen, reaped_elsewhere=_by_asyncio(frame, popen))

    _hear.__cantrace__ = True  # type: ignore[attr-defined]  # sys.addaudithook: lets debuggers and coverage see it


def _by_asyncio(frame: FrameType | None, popen: subprocess.Popen[Any]) -> bool:
    """Whether an asyncio transport made the object: then its child watcher takes the exit status."""
    while frame is not None and frame.f_locals.get("self") is popen:  # its own methods, a subclass' included
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__", "").startswith("asyncio.")


_POPENS: Final = _PopenHook()
"""The one mutable thing at module level: its life is the interpreter's, as that of the audit hook it holds."""
