"""Drives a coroutine inside its caller's own task, sees who cancels it, and can hand the rest to a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from types import coroutine
from typing import Any

from holdfast.core.clock import Clock
from holdfast.resilience.handover import look_at, rest_of
from holdfast.resilience.timers import timer

Orphaned = Callable[["asyncio.Task[Any]"], None]


class Mark:
    """Says whose code runs in a context: it is found in the work's, and in all that come from it."""

    outer: Mark | None = None
    left: asyncio.Task[Any] | None = None
    """The task that the work was split off from."""


_mark: ContextVar[Mark | None] = ContextVar("holdfast_mark", default=None)


def begin(work: Coroutine[Any, Any, Any], mark: Mark) -> Any:
    """The work's first step, in its context: what it waits for. Raises ``StopIteration`` when it ends at once."""
    mark.outer = _mark.get()
    _mark.set(mark)
    return work.send(None)


def pending(task: asyncio.Task[Any] | None) -> bool:
    """Whether ``task`` was cancelled in its present step, and will hear of it in the next.

    There is no public way to ask; anyio asks in the same way.
    """
    return task is not None and bool(task._must_cancel)  # type: ignore[attr-defined]


class Driven(asyncio.Future[None]):
    """A suspended work, and what the caller's task waits for meanwhile: it stands before the future awaited.

    Whoever cancels the task does so through ``cancel``, in a context that says who it is: the work itself (the timers
    of ``asyncio.timeout``, task groups and anyio's scopes run in copies of its context), or somebody outside. And the
    task can be woken without touching the future, on which the rest of the work waits on in a task of its own.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], context: Context, mark: Mark, cancels: int) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._work = work
        self._context = context
        self._mark = mark
        self._cancels = cancels  # requests to cancel the task that are neither the work's nor the deadline's
        self._task: asyncio.Task[Any] | None = None
        self._awaited: Any = None
        self._wake: Callable[[Any], object] = id
        self._wake_context: Context | None = None
        self._patience: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._struck = self._cutting = self._spent = self._woken = self._over = False
        self.cut = False
        """The deadline has passed, and the work was cancelled for it."""
        self.gone = False
        """The caller was cancelled from outside."""
        self.message: tuple[Any, ...] = ()
        """What its cancellation said; anyio knows its own by that."""
        self.closed = False
        """The caller was closed, and waits for nothing more."""

    async def to_its_end(self, awaited: Any, clock: Clock, seconds: float, grace: float, orphaned: Orphaned) -> Any:
        """Drive the work, which waits for ``awaited``, until it ends or is handed over; see ``deadline.by``."""
        self._clock, self._grace = clock, grace
        deadline = timer(clock, seconds, self._strike)
        try:
            return await self._steps(awaited, orphaned)  # type: ignore[misc]  # typeshed takes it for a generator
        finally:
            self._over = True
            deadline.cancel()
            if self._patience is not None:
                self._patience.cancel()

    @coroutine
    def _steps(self, awaited: Any, orphaned: Orphaned) -> Generator[Any, None, Any]:
        step: Callable[[Any], Any]
        value: Any
        while True:
            step, value = self._work.send, None
            try:
                yield self._before(awaited)
            except GeneratorExit:
                self.closed = True
                self._context.run(self._work.close)
                raise
            except BaseException as thrown:  # boundary: whatever the task was woken with is the work's to hear
                step, value = self._work.throw, thrown
            try:
                if not self._woken:
                    awaited = self._context.run(step, value)
            except StopIteration as stop:
                return stop.value
            finally:
                value = None  # an exception that holds this frame is not held by it
            if self._spent:
                self._hand_over(awaited, orphaned)
                return None

    @property
    def untouched(self) -> bool:
        """Whether the work ended by itself and left nothing that ``settled`` would have to mend."""
        task = self._task
        if task is None or self.cut or self.gone or pending(task):
            return False
        return task.cancelling() == self._cancels

    async def settled(self) -> bool:
        """Give the task back as it was, and tell whether the work's last act was to cancel it."""
        task = self._task or asyncio.current_task()
        own = pending(task) and await self._heard()
        while task is not None and task.cancelling() > self._cancels:
            task.uncancel()
        return own

    @coroutine
    def _heard(self) -> Generator[Any, None, bool]:
        self._over = True
        try:
            yield self._before(None)
        except asyncio.CancelledError:
            return not self.gone
        return False  # pragma: no cover - 3.13 and later: the work has taken its request back

    def _before(self, awaited: Any) -> Any:
        """What the task is to wait for. What is no future is left to the task, which refuses it."""
        self._awaited = None
        if awaited is not None:
            if not getattr(awaited, "_asyncio_future_blocking", False):
                return awaited
            if isinstance(awaited, asyncio.Task) and awaited is asyncio.current_task():
                return awaited
            awaited._asyncio_future_blocking = False
            self._awaited = awaited
        self._asyncio_future_blocking = True
        return self

    def _hand_over(self, awaited: Any, orphaned: Orphaned) -> None:
        rest = rest_of(self._work, awaited, self._woken)
        rest.send(None)
        # past the loop's task factory, which notes what belongs to the call: this outlives it
        orphan: asyncio.Task[Any] = asyncio.Task(rest, loop=asyncio.get_running_loop(), context=self._context)
        orphan.add_done_callback(look_at)
        self._mark.left = self._task
        while isinstance(awaited, Driven):  # those inside belong to the new task as soon as that waits for them
            awaited._task = None
            awaited = awaited._awaited
        orphaned(orphan)

    # -- what happens while the task waits -----------------------------------------------------------------------------

    def _strike(self, _: object = None) -> None:
        """The deadline: a result that is ready wins, so work that is about to go on gets one more step."""
        self._struck = True
        if not self._ready():
            self._cut()

    def _cut(self) -> None:
        task = self._task
        if task is None or self._over or self.cut or self.gone:
            return
        self.cut = self._cutting = True
        self._be_patient()
        task.cancel()
        self._cutting = False

    def _be_patient(self) -> None:
        if self._over:
            return
        loop = self.get_loop()
        if loop.is_running():
            self._patience = timer(self._clock, self._grace, self._spend)
        else:  # whoever closes a loop cancels its tasks while it stands, and lets it run on (asyncio.Runner)
            loop.call_soon(self._be_patient)

    def _spend(self, _: object = None) -> None:
        """Wake the task to hand the work over: the grace is over, or somebody cannot wait for its end."""
        if self._spent or self._over:
            return
        self._spent = True
        if self._task is not None and not self._ready():
            self._woken = True
            self._awaited.remove_done_callback(self._wake)
            self.get_loop().call_soon(self._wake, self, context=self._wake_context)

    def _ready(self) -> bool:
        """Whether the task is about to go on by itself."""
        awaited = self._awaited
        if isinstance(awaited, Driven):
            return awaited._ready()
        return awaited is None or bool(awaited.done())

    def _is_outside(self, who: Mark | None) -> bool:
        """Whether code marked ``who`` is that of a caller: neither the work's nor, say, another call's."""
        task = self._task
        if task is asyncio.current_task(
            self.get_loop()
        ):  # the task passes on what it was told in its last step, in no one's context
            return task is None or task.cancelling() <= self._cancels
        each = self._mark.outer
        while each is not who:
            if each is None:
                return False
            each = each.outer
        return True

    def _is_left_behind(self, who: Mark | None) -> bool:
        """Whether ``who`` is work that was split off from this task, with timers that still point here."""
        while who is not None:
            if who.left is not None and who.left is self._task:
                return True
            who = who.outer
        return False

    # -- the future that the task sees ---------------------------------------------------------------------------------

    def cancel(self, msg: Any | None = None) -> bool:
        """Called by the task that is being cancelled, in the context of whoever cancels it."""
        who, again = _mark.get(), self.cut or self.gone
        if self._is_left_behind(who):
            if self._task is not None:
                self._task.uncancel()
            return True
        if not self._cutting and self._is_outside(who):
            self._cancels += 1
            self.gone = True
            self.message = () if msg is None else (msg,)
            if again:
                self._spend()
                return True
            self._be_patient()
        return False if self._awaited is None else bool(self._awaited.cancel(msg=msg))

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Called by the task that begins to wait."""
        self._wake, self._wake_context = fn, context
        task = asyncio.current_task()
        if self._task is not None and task is not self._task:
            self._cancels = 0
        self._task = task
        if self._awaited is None:
            self.get_loop().call_soon(fn, self, context=context)
        else:
            self._awaited.add_done_callback(fn, context=context)
        if self._struck and not (self.cut or self.gone):
            around = copy_context()
            around.run(_mark.set, self._mark.outer)  # to the works around this one, it is one of their own that cancels
            self.get_loop().call_soon(self._cut, context=around)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Called from outside this one, when that wakes the task by itself."""
        return 0 if self._awaited is None else int(self._awaited.remove_done_callback(fn))

    def done(self) -> bool:
        """Whether the future is; anyio asks before it cancels."""
        return self._awaited is not None and bool(self._awaited.done())

    def result(self) -> None:
        """Nothing: the task only asks when it was woken without the future."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The future's, which the task compares with its own."""
        loop: asyncio.AbstractEventLoop = super().get_loop() if self._awaited is None else self._awaited.get_loop()
        return loop
