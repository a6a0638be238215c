"""The one thread that owns the store's connection and joins waiting operations into one transaction each."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from holdfast.errors import Busy
from holdfast.state.database import is_damage, open_database, set_aside
from holdfast.state.location import UNAVAILABLE
from holdfast.state.losses import Losses

MAX_WAITING = 10_000
"""Operations that wait for the thread."""
BATCH = 256
"""Operations that share one transaction, and so one sync of the disk."""
FULL: Final = "the server's state store is full; try again later"

T = TypeVar("T")


@dataclass(slots=True)
class _Operation:
    work: Callable[[sqlite3.Connection], Any]
    writes: bool
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Transactions:
    """Runs functions of the connection, in order, in the thread; answers after the commit."""

    def __init__(
        self,
        path: Path | None,
        on_damage: Callable[[str], None],
        wall: Callable[[], float],
        sweep: Callable[[sqlite3.Connection], int] = lambda connection: 0,
    ) -> None:
        self._sweep = sweep
        self._path = path
        self._on_damage = on_damage
        self._wall = wall
        self.losses = Losses(path)
        self._queue: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        try:
            self._connect()
        except (sqlite3.Error, OSError) as error:
            raise Busy(UNAVAILABLE) from error
        self._thread = threading.Thread(target=self._work, name="holdfast-state", daemon=True)
        self._thread.start()

    async def ask(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> T:
        """Run ``work`` in the thread and return its answer, durable if it ``writes``.

        ``work`` may run twice, after its first effects were rolled back. A caller that leaves before its turn takes
        the operation back. Raises ``Busy`` when the store is closed, full or unusable.
        """
        return await self.begin(work, writes=writes)

    def begin(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> asyncio.Future[T]:
        """As ``ask``, at once: it has its turn whether or not somebody waits for its answer."""
        if self._closed or self._queue.qsize() >= MAX_WAITING:
            raise Busy(UNAVAILABLE)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Operation(work, writes, loop, done))
        return done

    async def close(self) -> None:
        """Finish what waits and release the file."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        going = True
        while going:
            operations, going = self._batch()
            if operations:
                self._run(operations)
                _settle(operations)
        self._disconnect()

    def _batch(self) -> tuple[list[_Operation], bool]:
        operations: list[_Operation] = []
        operation = self._queue.get()
        while operation is not None:
            if not operation.done.cancelled():
                operations.append(operation)
            if len(operations) == BATCH:
                return operations, True
            try:
                operation = self._queue.get_nowait()
            except queue.Empty:
                return operations, True
        return operations, False

    def _run(self, operations: list[_Operation]) -> None:
        try:
            self._transact(operations)
        except (sqlite3.Error, OSError) as error:
            self._recover(error)
            if len(operations) > 1 and (_is_full(error) or _is_damage(error)):
                for operation in operations:  # each by itself: a large write must not fail the small ones
                    self._run([operation])
            elif _is_damage(error) or (_is_full(error) and self._swept()):
                self._once_more(operations[0])
            else:  # busy for seconds, or the disk refuses: trying each would multiply the wait
                _fail(operations, error)

    def _swept(self) -> bool:
        """Whether what has expired could be removed from a full file, so that it is worth trying again."""
        try:
            return self._sweep(self._current()) > 0
        except (sqlite3.Error, OSError):
            return False

    def _once_more(self, operation: _Operation) -> None:
        try:
            self._transact([operation])
        except (sqlite3.Error, OSError) as error:
            self._recover(error)
            _fail([operation], error)

    def _transact(self, operations: list[_Operation]) -> None:
        connection = self._current()
        writes = any(operation.writes for operation in operations)
        if writes:
            connection.execute("BEGIN IMMEDIATE")
        try:
            for operation in operations:
                _perform(operation, connection)
            if writes:
                connection.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back already, or the file is beyond use
                connection.execute("ROLLBACK")
            raise

    def _current(self) -> sqlite3.Connection:
        """Return the connection, to a new file if another instance set ours aside or somebody removed it."""
        if self._connection is not None and self._path is not None:
            try:
                same = self._path.stat().st_ino == self._inode
            except FileNotFoundError:
                same = False
            if not same:
                self._disconnect()
        return self._connection if self._connection is not None else self._connect()

    def _connect(self) -> sqlite3.Connection:
        self._connection, self._inode = open_database(self._path, self._on_damage, self._wall)
        self.losses.look()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # a damaged file may refuse its last checkpoint
                self._connection.close()
            self._connection = None

    def _recover(self, error: Exception) -> None:
        """Put a damaged file aside; the next operation begins a new one. Other errors leave all as it is."""
        if self._path is not None and _is_damage(error):
            self._disconnect()
            with contextlib.suppress(OSError):  # the disk refuses: opening will find the damage again
                set_aside(self._path, self._inode, self._on_damage, self._wall)


def _perform(operation: _Operation, connection: sqlite3.Connection) -> None:
    operation.error = None
    try:
        operation.result = operation.work(connection)
    except sqlite3.Error:
        raise
    except Exception as error:  # concerns this operation only; its caller hears it, the thread lives on
        operation.error = error


def _fail(operations: list[_Operation], error: Exception) -> None:
    for operation in operations:
        operation.error = Busy(FULL if _is_full(error) else UNAVAILABLE)


def _settle(operations: list[_Operation]) -> None:
    for operation in operations:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            operation.loop.call_soon_threadsafe(_answer, operation)


def _answer(operation: _Operation) -> None:
    if operation.done.done():  # its caller left
        return
    if operation.error is not None:
        operation.done.set_exception(operation.error)
    else:
        operation.done.set_result(operation.result)


def _is_damage(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and is_damage(error)


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
