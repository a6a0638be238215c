"""Operations of several steps: each intent journalled before it is done, and undone in reverse when it fails."""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Final

from holdfast.core.clock import Clock
from holdfast.errors import ConfigurationError, HoldfastError, SagaRefused
from holdfast.state.durable import Durable
from holdfast.state.journal import MAX_NAME, SPACE, Record, Step, Unreadable, read
from holdfast.state.store import Store

RESUMED_AT_ONCE: Final = 8
"""Sagas that a start undoes side by side: one whose compensation hangs must not hold up all others."""
TRIES: Final = 3
"""How often one compensation is tried in one process, before its saga is stuck until the next start."""
PAUSE: Final = 0.5
"""Seconds before the second try; doubled before each further one."""
UNDO_SECONDS: Final = 30.0
"""Seconds that one try may take: as long as a call."""
MAX_RESUMED: Final = 10_000
"""Unfinished sagas that one start looks at."""
Tell = Callable[[str, Mapping[str, Any]], None]
Compensations = Callable[[], Mapping[str, Callable[..., Any]]]
InThread = Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]]


class Sagas:
    """All sagas of a server. ``tell(what, fields)`` hears what became of those that were undone; it must not raise.

    ``compensations()`` are the registered functions by name; those that are no coroutine functions run ``in_thread``.
    """

    def __init__(
        self, durable: Durable, clock: Clock, compensations: Compensations, in_thread: InThread, tell: Tell
    ) -> None:
        self._durable = durable
        self._clock = clock
        self._compensations = compensations
        self._in_thread = in_thread
        self._tell = tell
        self._tasks: set[asyncio.Task[Any]] = set()  # bounded by the calls that fail, each ends after its tries
        self.stuck: dict[str, str] = {}
        """The id of each saga that could not be undone, and its name; bounded by the journal."""

    @asynccontextmanager
    async def open(self, name: str, key: str | None = None) -> AsyncIterator[_Saga]:
        """Begin a saga; see ``core.sagas.Saga``. With a ``key``, there is one of that name and key at a time.

        Raises ``SagaRefused`` while there is another one, ``Busy`` when nothing can be journalled now, and
        ``ConfigurationError`` for names that are too long.
        """
        if not name or len(name) + len(key or "") > MAX_NAME:
            raise ConfigurationError(f"a saga has a name, of at most {MAX_NAME} characters with its key")
        store = await self._durable.open()
        unique = f"{name}:{secrets.token_hex(8)}"
        record = Record(unique if key is None else f"{name}/{key}", unique, name, self._durable.presence.name)
        there = await self._claimed(store, record)
        if there is not None:
            raise await self._refused(there)
        saga = _Saga(self, store, record)
        try:
            yield saga
            await saga.done()
        except (asyncio.CancelledError, GeneratorExit):
            if record.state != "done":
                self._own(self._undo(store, record))  # its caller has been told, or is gone: nobody waits for this
            raise
        except BaseException:  # boundary: whatever ends a saga early, it is undone, and then raised again
            await asyncio.shield(self._own(self._undo(store, record)))
            raise

    async def _claimed(self, store: Store, record: Record) -> bytes | None:
        claim = store.claim(SPACE, record.row, record.written(), None)

        def free(done: asyncio.Future[bytes | None]) -> None:
            if not done.cancelled() and done.exception() is None and done.result() is None:
                self._own(self._undo(store, record))

        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:
            claim.add_done_callback(free)  # nobody works under that name
            raise

    async def _refused(self, there: bytes) -> SagaRefused:
        try:
            record = read("", there)
        except Unreadable:
            record = Record("", "", "", "", "stuck")
        alive = await asyncio.to_thread(self._durable.presence.lives, record.by)
        if alive and record.state != "stuck":
            return SagaRefused("the same is under way already; try again in a moment", retry_after=1.0)
        return SagaRefused("an earlier attempt at the same could not be undone; ask the operator", code="saga.stuck")

    async def resume(self) -> None:
        """Undo what processes that have died left unfinished, and try again what was stuck; once, at the start."""
        store, under_way = await self._durable.open(), set[asyncio.Task[None]]()
        for row, raw in await store.items(SPACE, MAX_RESUMED):
            if len(under_way) >= RESUMED_AT_ONCE:
                _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            if (record := await self._taken(store, row, raw)) is not None:
                under_way.add(self._own(self._undo(store, record)))
        if under_way:
            await asyncio.wait(under_way)

    async def _taken(self, store: Store, row: str, raw: bytes) -> Record | None:
        """What was left in that row, if it is ours to undo."""
        try:
            record = read(row, raw)
        except Unreadable as error:  # the others are undone all the same, and this one is the operator's
            self.stuck[row] = row
            self._tell("saga.unread", {"failure": f"{type(error).__name__}: {error}"})
            return None
        if await asyncio.to_thread(self._durable.presence.lives, record.by):
            return None  # a neighbour's, or begun by a call of ours meanwhile
        record.by, record.state = self._durable.presence.name, "undoing"
        # another start may have been faster
        return record if await store.swap(SPACE, row, raw, record.written()) else None

    def resuming(self) -> None:
        """Begin to ``resume``, while calls are served."""
        self._own(self.resume()).add_done_callback(self._resumed)

    def _resumed(self, done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            self._tell("saga.unread", {"failure": type(error).__name__})

    async def close(self, seconds: float) -> None:
        """Give compensations under way a moment to end. What is cut off is resumed at the next start."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=seconds)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # not in the context of the call that failed: what a call starts is cancelled when it ends
        task = asyncio.get_running_loop().create_task(work, name="holdfast-saga", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _undo(self, store: Store, record: Record) -> None:
        record.state, begun = "undoing", bool(record.steps)
        while record.steps:
            step = record.steps[-1]
            failure = None if step.undo is None else await self._tried(step.undo, step)
            if failure is not None:
                return await self._give_up(store, record, step, failure)
            record.steps.pop()
            await self._journal(store, record)
        await self._journal(store, None, record.row)
        self.stuck.pop(record.id, None)
        if begun:
            self._tell("saga.undone", {"saga": record.name, "id": record.id})

    async def _give_up(self, store: Store, record: Record, step: Step, failure: str) -> None:
        record.state = "stuck"
        self.stuck[record.id] = record.name
        await self._journal(store, record)
        told = {"saga": record.name, "id": record.id, "step": step.name, "compensation": step.undo, "failure": failure}
        self._tell("saga.stuck", told)

    async def _journal(self, store: Store, record: Record | None, row: str = "") -> None:
        """Write how far it is. What cannot be written is undone once more after a restart, which it has to bear."""
        try:
            if record is None:
                await store.delete(SPACE, row)
            else:
                await store.put(SPACE, record.row, record.written())
        except HoldfastError as error:
            self._tell("saga.unwritten", {"failure": type(error).__name__})

    async def _tried(self, undo: str, step: Step) -> str | None:
        """Run a compensation until it succeeds; what it failed with when it never does."""
        failure = "no such compensation is registered"
        for number in range(TRIES):
            function = self._compensations().get(undo)
            if function is None:
                break
            if number:
                await self._clock.sleep(PAUSE * 2.0 ** (number - 1))
            try:
                await self._in_time(function, step)
            except Exception as error:  # boundary: an author's code; what it failed with is told
                failure = type(error).__name__
            else:
                return None
        return failure

    async def _in_time(self, function: Callable[..., Any], step: Step) -> None:
        work = self._own(self._called(function, step))
        timer = asyncio.ensure_future(self._clock.sleep(UNDO_SECONDS))
        try:
            await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise TimeoutError
            if work.cancelled():
                raise RuntimeError("the compensation cancelled itself")
            if (error := work.exception()) is not None:
                raise error
        finally:
            timer.cancel()
            work.cancel()  # one that does not heed it stays owned

    async def _called(self, function: Callable[..., Any], step: Step) -> None:
        try:
            given = lent(function, step.payload, step.id)
            if inspect.iscoroutinefunction(function):
                await function(*given)
            else:
                await self._in_thread(lambda: function(*given))
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:  # boundary: sys.exit() in a compensation must not end the server
            raise RuntimeError(f"the compensation raised {type(error).__name__}") from error


class _Saga:
    """Implements ``core.sagas.Saga``."""

    def __init__(self, sagas: Sagas, store: Store, record: Record) -> None:
        self._sagas = sagas
        self._store = store
        self._record = record
        self.id = record.id
        self._number = 0

    async def step(self, name: str, do: Callable[..., Any], undo: str | None = None, payload: Any = None) -> Any:
        """See ``core.sagas.Saga``. Raises ``ConfigurationError`` for what could not be undone."""
        if self._record.state != "running":
            raise ConfigurationError(f"saga {self._record.name}: it has ended, so no step can follow")
        if undo is not None and undo not in self._sagas._compensations():
            raise ConfigurationError(f"saga step {name}: undo is the name of a @server.compensation(...)")
        self._number += 1
        step = self._record.add(Step(name, undo, payload, f"{self.id}:{self._number}"))
        try:
            await self._store.put(SPACE, self._record.row, self._record.written())
        except HoldfastError:
            self._record.steps.pop()  # it is not done either
            raise
        outcome = do(*lent(do, step.payload, step.id))
        return await outcome if inspect.isawaitable(outcome) else outcome

    async def done(self) -> None:
        """All steps are done: from now on nothing is undone. Raises ``Busy`` when that cannot be written."""
        ending = self._store.swap(SPACE, self._record.row, self._record.written(), None)
        self._record.state = "done"
        ending.add_done_callback(_heard)
        await asyncio.shield(ending)


def _heard(done: asyncio.Future[bool]) -> None:
    if not done.cancelled():
        done.exception()  # whoever waits hears it; asyncio need not complain when they have left


def lent(function: Callable[..., Any], payload: Any, step: str) -> tuple[Any, ...]:
    """As many of the payload and the step's id as the function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins do not say
        return (payload,)
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return payload, step
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (payload, step)[: len(places)]
