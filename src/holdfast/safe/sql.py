"""Queries as arguments, and SQLite: one checked SELECT reads it, statements its author declared write it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Self, TypeVar

from holdfast.errors import ConfigurationError, UnsafeQuery
from holdfast.safe import sqlite, statements
from holdfast.safe.blocking import in_thread
from holdfast.safe.databases import AnyDatabase, Caps, Checked, Declared, Parameters, Rows, TableFacts
from holdfast.safe.handle import Handle
from holdfast.safe.sqlite import Gate, Schema, Stop
from holdfast.safe.statements import DEFAULT_FUNCTIONS, Statement

if TYPE_CHECKING:
    from holdfast.safe.sandbox import Sandbox

__all__ = ["DEFAULT_FUNCTIONS", "Database", "Declared", "ReadQuery", "Rows", "TableFacts", "require"]

P = ParamSpec("P")
R = TypeVar("R")

require = statements.require

_MAGIC: Final = b"SQLite format 3\x00"  # sqlite.org/fileformat.html, 1.3.1
_SCHEMES: Final = ("sqlite", "sqlite+pysqlite", "sqlite+aiosqlite")
_FORBIDDEN_TO_AUTHORS: Final = frozenset(
    {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_TRANSACTION}
)


class Database:
    """An SQLite file, or an SQLAlchemy URL of one, as the setting ``HOLDFAST_DATABASE`` names it.

    Holds no connection: each statement opens its own in a worker thread and closes it, so that a database object may
    be pickled and shared. ``max_rows`` rows, ``max_bytes`` bytes and ``timeout`` seconds bound each query.
    ``tables=None`` allows all plain tables and views; naming a view allows what it shows, not what it is made of.
    Raises ``ConfigurationError`` when the file is missing or is not an SQLite database, or sqlglot is not installed.
    """

    kind = "SQLite"

    def __init__(  # noqa: PLR0913 - one thing, and five bounds that are keywords with defaults
        self,
        target: str | Path,
        *,
        max_rows: int = 1_000,
        max_bytes: int = 1 << 20,
        timeout: float = 5.0,
        tables: frozenset[str] | None = None,
        functions: frozenset[str] = DEFAULT_FUNCTIONS,
    ) -> None:
        self.caps = Caps(max_rows, max_bytes, timeout)
        self.findings: list[str] = []
        require()  # also loads sqlglot now, not while the first call is served
        self._path = _file_of(target)
        self.tables = None if tables is None else frozenset(name.lower() for name in tables)
        self.functions = frozenset(name.lower() for name in functions)

    def __repr__(self) -> str:
        return "<Database>"

    async def schema(self) -> list[TableFacts]:
        """The tables and views that may be read, by name; at most 1,000."""
        return await self._cancellable(self._schema)

    async def execute_write(self, statement: Declared, parameters: Parameters = ()) -> int:
        """Run the author's own statement in a transaction; return how many rows changed. Raises ``UnsafeQuery``."""
        if not isinstance(statement, Declared):
            raise TypeError("execute_write takes a Declared statement, which is written in code and never built")
        return await self._cancellable(self._write, statement, parameters)

    def check(self, text: str) -> Statement:
        """The statement as it will run. No I/O. Raises ``UnsafeQuery``."""
        return statements.check(text, self.tables, self.functions)

    async def read(self, statement: Statement, parameters: Parameters = ()) -> Rows:
        """Run a checked statement; a cancelled caller interrupts it. Raises ``UnsafeQuery``."""
        return await self._cancellable(self.read_until, statement, parameters)

    def read_sync(self, statement: Statement, parameters: Parameters = ()) -> Rows:
        """Run a checked statement on this thread. Raises ``UnsafeQuery``."""
        return self.read_until(Stop(), statement, parameters)

    async def start(self) -> None:
        """Nothing to look at: a file has no roles."""

    async def close(self) -> None:
        """Nothing to close: each statement closes its own connection."""

    async def working(self) -> bool:
        """Whether the file is there and can be read."""
        try:
            await self._cancellable(self._look)
        except UnsafeQuery:
            return False
        return True

    def _look(self, stop: Stop) -> None:
        try:
            with sqlite.connected(self._path, "ro", self.caps, stop) as connection:
                connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            raise sqlite.refusal(error) from None

    def read_until(self, stop: Stop, statement: Statement, parameters: Parameters = ()) -> Rows:
        """Run a checked statement on this thread until it ends or ``stop`` is called. Raises ``UnsafeQuery``."""
        gate: Gate | None = None
        values = sqlite.bind(parameters)
        try:
            with sqlite.connected(self._path, "ro", self.caps, stop) as connection:
                found = Schema.of(connection)
                allowed = found.user if self.tables is None else self.tables
                if statement.ctes & found.names or statement.aliases & found.views:
                    raise UnsafeQuery("a WITH name or alias may not be the name of a table", code="query.table")
                gate = Gate(found, allowed, self.functions, statement.ctes)
                # Set last: a value longer than the cap could not be returned anyway; 1 KiB leaves room for the schema.
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(self.caps.bytes, 1 << 10) + (1 << 10))
                connection.set_authorizer(gate)
                return sqlite.collect(connection.execute(statement.sql, values), self.caps)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise sqlite.refusal(error, gate) from None

    async def _cancellable(self, work: Callable[Concatenate[Stop, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        stop = Stop()
        try:
            return await in_thread(work, stop, *args, **kwargs)
        except asyncio.CancelledError:
            stop()  # the thread lets go within a progress check and closes its own connection
            raise

    def _schema(self, stop: Stop) -> list[TableFacts]:
        try:
            with sqlite.connected(self._path, "ro", self.caps, stop) as connection:
                found = Schema.of(connection)
                names = sorted(found.user if self.tables is None else self.tables & found.names)
                return [TableFacts(name, _columns(connection, name)) for name in names]
        except sqlite3.Error as error:
            raise sqlite.refusal(error) from None

    def _write(self, stop: Stop, statement: Declared, parameters: Parameters) -> int:
        values = sqlite.bind(parameters)
        try:
            with sqlite.connected(self._path, "rw", self.caps, stop) as connection:
                connection.execute("PRAGMA foreign_keys=ON")
                connection.execute("BEGIN IMMEDIATE")
                connection.set_authorizer(_author)
                changed = connection.execute(statement.sql, values).rowcount
                connection.set_authorizer(None)
                connection.execute("COMMIT")  # closing without it rolls back
                return max(changed, 0)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise sqlite.refusal(error) from None


class ReadQuery(Handle):
    """One read-only SELECT, parsed when the arguments are validated and run re-serialised, when the tool asks."""

    __slots__ = ("_statement",)

    needs = "database"
    describe = "one read-only SQL statement (SELECT)"
    max_text = 20_000

    def __init__(self, statement: Checked, sandbox: Sandbox) -> None:
        super().__init__(statement.sql, sandbox)
        self._statement = statement

    @classmethod
    def from_text(cls, text: str, sandbox: Sandbox | None) -> Self:
        """Check the grammar, the tables and the functions; no I/O. Raises ``UnsafeQuery``."""
        return cls(_database(sandbox).check(text), sandbox)  # type: ignore[arg-type]  # _database refused None

    async def rows(self, parameters: Parameters = ()) -> Rows:
        """Run the statement; cancelling the caller ends it in the database too. Raises ``UnsafeQuery``."""
        return await _database(self._sandbox).read(self._statement, parameters)

    def rows_sync(self, parameters: Parameters = ()) -> Rows:
        """Run the statement on this thread, for tools in a thread or process. Raises ``UnsafeQuery``."""
        return _database(self._sandbox).read_sync(self._statement, parameters)


def _database(sandbox: Sandbox | None) -> AnyDatabase:
    if sandbox is None or sandbox.database is None:
        raise UnsafeQuery("this server has no database", code="query.failed")
    return sandbox.database


def _author(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_DENY if action in _FORBIDDEN_TO_AUTHORS else sqlite3.SQLITE_OK


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    found = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
    return {str(name): str(declared) for name, declared in found.fetchall()}


def _file_of(target: str | Path) -> Path:
    """The absolute path of the database file. Raises ``ConfigurationError``, which does not repeat the target."""
    text = str(target)
    if "://" in text:
        scheme, _, rest = text.partition("://")
        if scheme.lower() not in _SCHEMES:
            raise ConfigurationError("HOLDFAST_DATABASE takes SQLite (a file) and PostgreSQL (postgresql://...)")
        text = rest.removeprefix("/")
        if "?" in text or not rest.startswith("/"):
            raise ConfigurationError("HOLDFAST_DATABASE: write sqlite:///file or sqlite:////absolute/file, no options")
    if text in ("", ":memory:") or "\x00" in text:
        raise ConfigurationError("HOLDFAST_DATABASE must name an SQLite file")
    path = Path(text).absolute()
    if not path.is_file():
        raise ConfigurationError("HOLDFAST_DATABASE names no file; create the database first")
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) not in (b"", _MAGIC):
            raise ConfigurationError("HOLDFAST_DATABASE names a file that is not an SQLite database")
    return path
