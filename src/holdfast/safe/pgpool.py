"""A bounded pool of checked PostgreSQL connections, each lent for one transaction that always ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from holdfast.errors import ConfigurationError, UnsafeQuery
from holdfast.safe.pgerrors import refusal
from holdfast.safe.pgrole import RoleRefused, check_role

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from holdfast.safe.pgurl import Place

T = TypeVar("T")
Mode = Literal["READ ONLY", "READ WRITE"]

SIZE: Final = 10
LIFE: Final = 1_800
"""Connections, and seconds that each of them lives at most: the pool of the common JDBC and Go stacks."""
QUEUE: Final = 0.9
"""Share of its time that a caller waits for a connection: below all of it, or it would read that its query is slow."""
CONNECT: Final = 5.0
"""Seconds for one connection, TLS and the look at the role included."""
LAST_WORDS: Final = 2.0
"""Seconds for a cancelled statement to be rolled back; then the connection is dropped."""
GRACE: Final = 0.04
"""Seconds that a cancelled caller waits for its rollback; below the 50 ms after which a call counts as an orphan."""


def require() -> None:
    """Say at build time that PostgreSQL can be reached. Raises ``ConfigurationError``."""
    try:
        import asyncpg  # type: ignore[import-untyped]  # noqa: F401 - it ships no types; only whether it is there
        import sqlalchemy.ext.asyncio  # noqa: F401 - as above
    except ImportError:
        raise ConfigurationError("PostgreSQL needs sqlalchemy and asyncpg: install holdfast[postgres]") from None


class Pool:
    """The connections of one event loop. ``timeout`` seconds bound each transaction, waiting included."""

    def __init__(self, place: Place, timeout: float, size: int = SIZE) -> None:
        self.loop = asyncio.get_running_loop()
        self._place = place
        self._timeout = timeout
        self._engine = self._made(size)
        self._connections: set[Any] = set()  # no more than the pool's; each leaves as it is closed
        self._tasks: set[asyncio.Task[Any]] = set()  # as many as there are callers; each ends within its timeout

    def _made(self, size: int) -> AsyncEngine:
        from sqlalchemy.ext.asyncio import create_async_engine

        return create_async_engine(
            "postgresql+asyncpg://",  # without host or password: what the engine knows, its messages may show
            async_creator=self._connect,
            pool_size=size,
            max_overflow=0,
            pool_timeout=QUEUE * self._timeout,
            pool_pre_ping=True,
            pool_recycle=LIFE,
            pool_use_lifo=True,
            hide_parameters=True,
        )

    async def run(self, mode: Mode, work: Callable[[Any], Awaitable[T]]) -> T:
        """Run ``work(connection)`` in a transaction. A caller that is cancelled takes its statement with it.

        Raises ``UnsafeQuery``, and ``RoleRefused`` (as ``UnsafeQuery`` to callers) for a role that may do too much.
        """
        task = self.loop.create_task(self._within_time(mode, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
            if task.done() and not task.cancelled():
                task.exception()  # seen: nobody is left to tell
            raise

    async def close(self) -> None:
        """Cancel what runs, wait for its rollback, close every connection."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=2 * LAST_WORDS)
        # Not through the engine: it would wait for a server that hangs for as long as that hangs.
        open_now = [each.close(timeout=LAST_WORDS) for each in self._connections]
        await asyncio.gather(*open_now, return_exceptions=True)
        await self._engine.dispose(close=False)

    async def _within_time(self, mode: Mode, work: Callable[[Any], Awaitable[T]]) -> T:
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.exc import TimeoutError as PoolTimeout

        try:
            async with asyncio.timeout(self._timeout), self._engine.connect() as lent:
                return await self._transaction(lent, mode, work)
        except PoolTimeout:
            raise UnsafeQuery("the database is busy; try again", code="query.busy") from None
        except TimeoutError:
            raise UnsafeQuery("the query took too long; narrow it down or use an index", code="query.timeout") from None
        except RoleRefused:
            raise
        except SQLAlchemyError as error:
            raise refusal(getattr(error, "orig", None) or error) from None
        except _driver_errors() as error:
            raise refusal(error) from None

    async def _transaction(self, lent: AsyncConnection, mode: Mode, work: Callable[[Any], Awaitable[T]]) -> T:
        connection: Any = (await lent.get_raw_connection()).driver_connection
        try:
            await connection.execute(f"BEGIN {mode}")
            result = await work(connection)
            # A reader's is never committed: lo_create() and pg_notify() work in a READ ONLY one (15.x).
            await connection.execute("COMMIT" if mode == "READ WRITE" else _BACK)
        except BaseException as error:  # a cancelled call too: whatever ends it, the connection goes back clean
            gone = connection.is_closed() and isinstance(error, Exception)
            await _rolled_back(connection)
            if gone:  # whatever the driver says when the connection dies under it
                raise ConnectionError("lost") from None
            raise
        if mode != "READ ONLY":
            await _forgotten(connection)
        return result

    async def _connect(self) -> Any:
        """A new connection whose session can only read, once its role has been looked at."""
        import asyncpg

        settings = _SESSION | {"statement_timeout": str(max(1, round(self._timeout * 1000)))}
        try:
            async with asyncio.timeout(CONNECT):
                connection = await asyncpg.connect(
                    **self._place.arguments(), statement_cache_size=0, server_settings=settings
                )
                try:
                    await check_role(connection)
                except BaseException:  # also when the call is cancelled: nobody else would close it
                    connection.terminate()
                    raise
        except TimeoutError:
            raise ConnectionError("no answer in time") from None
        self._connections.add(connection)
        connection.add_termination_listener(self._connections.discard)
        return connection


def _driver_errors() -> tuple[type[Exception], ...]:
    """What asyncpg raises for the server's errors, its own, the network's, and a type that it cannot make out."""
    import asyncpg

    own = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    return (*own, OSError, UnicodeError, OverflowError)


async def _rolled_back(connection: Any) -> None:
    """End the transaction, or the connection: one that hangs is never lent again."""
    try:
        async with asyncio.timeout(LAST_WORDS):
            await connection.execute(_BACK)
    except BaseException as error:
        connection.terminate()  # the pool finds it closed and opens another
        if isinstance(error, asyncio.CancelledError):
            raise


async def _forgotten(connection: Any) -> None:
    """After a commit: role, settings, locks and temporary tables that a function has left go, or the connection does.

    Whatever happens here is not the caller's: what it asked for is done, and told to fail it would ask again.
    """
    try:
        await connection.execute("DISCARD ALL")  # RESET ALL would leave the role
    except BaseException:  # cancelled too, which the caller sees where it waits
        connection.terminate()


_BACK: Final = "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all()"
"""A lock of the session outlives its transaction."""
_SESSION: Final = {
    "application_name": "holdfast",
    "default_transaction_read_only": "on",
    "search_path": "pg_catalog, pg_temp",  # a function or an operator of anybody else cannot be meant
    "standard_conforming_strings": "on",  # a backslash is a backslash, as the grammar believes
    "row_security": "on",
    "lock_timeout": "1000",
    "idle_in_transaction_session_timeout": "30000",
    "work_mem": "8192",  # KiB for each sort or hash
    "max_parallel_workers_per_gather": "0",  # one query, one core
    "jit": "off",
    "bytea_output": "hex",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
}
"""Set as the connection opens, so that ``RESET`` returns to them too; milliseconds where not said otherwise."""
