"""Reading a PostgreSQL database with one checked query, and writing it with statements its author declared."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from holdfast.errors import ConfigurationError, UnsafeQuery
from holdfast.safe import pgpool, pgstatements, statements
from holdfast.safe.databases import Caps, Declared, Parameters, Rows, TableFacts
from holdfast.safe.pgrole import RoleRefused, may_write
from holdfast.safe.pgstatements import DEFAULT_FUNCTIONS, PUBLIC, PgStatement
from holdfast.safe.pgurl import Place
from holdfast.safe.pgvalues import bind, kind_of, row_of
from holdfast.safe.sqlrefusals import no_table

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_TABLES: Final = 1_000
_BATCH: Final = 100
"""Rows that are fetched at once; together they are no longer than the cap of bytes, which the server counts."""
_MAY_START: Final = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|MERGE|SELECT|WITH)\b", re.IGNORECASE)
_CHANGING: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_READABLE: Final = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = ANY (CASE WHEN $1 THEN '{r,p,v,m}'::text[] ELSE '{r,p,v,m,f}'::text[] END)
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
   AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))
"""
"""Tables, partitioned tables, views and materialised views; foreign tables, whose wrappers run code, only by name."""
_NAMED = " AND (n.nspname, c.relname) IN (SELECT * FROM unnest($2::text[], $3::text[]))"
_AMONG: Final = _READABLE + _NAMED
_SYSTEM: Final = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace
                  AND relname = ANY ($1::text[]))
"""
_COLUMNS: Final = f"""
SELECT t.nspname, t.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM ({_READABLE} AND ($2::text[] IS NULL OR (n.nspname, c.relname) IN (SELECT * FROM unnest($2, $3::text[])))
        ORDER BY 1, 2 LIMIT {MAX_TABLES}) AS t
  JOIN pg_catalog.pg_namespace n ON n.nspname = t.nspname
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.relname
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY 1, 2, a.attnum
"""  # noqa: S608 # nosec B608 - two constants


class Postgres:
    """A PostgreSQL database, named by an SQLAlchemy URL (``postgresql+asyncpg://user:password@host/database``).

    ``max_rows`` rows, ``max_bytes`` bytes and ``timeout`` seconds bound each query. ``tables`` are names with their
    schema (``public`` is understood); ``None`` allows every table and view of the users' schemas that the role may
    read. Raises ``ConfigurationError`` for a URL that does not fit, which is not repeated, and for missing libraries.
    """

    kind = "PostgreSQL"

    def __init__(  # noqa: PLR0913 - one thing, and five bounds that are keywords with defaults
        self,
        url: str,
        *,
        max_rows: int = 1_000,
        max_bytes: int = 1 << 20,
        timeout: float = 5.0,
        tables: frozenset[str] | None = None,
        functions: frozenset[str] = DEFAULT_FUNCTIONS,
    ) -> None:
        self.caps = Caps(max_rows, max_bytes, timeout)
        statements.require()
        pgpool.require()
        self._place = Place.of(url)
        self.tables = None if tables is None else frozenset(pgstatements.table_of(name) for name in tables)
        self.functions = frozenset(name.lower() for name in functions)
        self.findings: list[str] = []
        self._pool: pgpool.Pool | None = None

    def __repr__(self) -> str:
        return "<Postgres>"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pool": None}

    def check(self, text: str) -> PgStatement:
        """The statement as it will run. No I/O. Raises ``UnsafeQuery``."""
        return pgstatements.check(text, self.tables, self.functions)

    async def start(self) -> None:
        """Look at the role. Raises ``ConfigurationError`` when it may do too much.

        A server that cannot be reached now is no reason not to start: every connection is looked at before it is used.
        """
        if self._place.unproven:
            self.findings.append("the database's sslmode does not prove which server answers: use verify-full")
        try:
            self.findings += await self._home().run("READ ONLY", may_write)
        except UnsafeQuery as refused:
            if "let this server in" in refused.message:
                raise ConfigurationError("HOLDFAST_DATABASE: the database does not accept this role or name") from None
            self.findings.append("the database cannot be reached yet")

    async def close(self) -> None:
        """Close every connection; statements that still run are cancelled and rolled back."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def working(self) -> bool:
        """Whether a connection answers now, and its role is still allowed."""
        try:
            await self._run("READ ONLY", lambda connection: connection.fetchval("SELECT 1"))
        except UnsafeQuery:
            return False
        return True

    async def schema(self) -> list[TableFacts]:
        """The tables and views that may be read, by name; at most 1,000. Raises ``UnsafeQuery``."""
        named = (None, None) if self.tables is None else tuple(map(list, zip(*self.tables, strict=True))) or ([], [])
        asked = (self.tables is None, *named)
        rows = await self._run("READ ONLY", lambda connection: connection.fetch(_COLUMNS, *asked))
        found: dict[str, dict[str, str]] = {}
        for schema, table, column, kind in rows:
            found.setdefault(table if schema == PUBLIC else f"{schema}.{table}", {})[column] = kind
        return [TableFacts(name, columns) for name, columns in sorted(found.items())]

    async def read(self, statement: PgStatement, parameters: Parameters = ()) -> Rows:
        """Run a checked statement; a cancelled caller cancels it in the server. Raises ``UnsafeQuery``."""
        return await self._run("READ ONLY", lambda connection: self._rows(connection, statement, parameters))

    def read_sync(self, statement: PgStatement, parameters: Parameters = ()) -> Rows:
        """The same from another thread than the loop's, or in a process of its own. Raises ``UnsafeQuery``."""
        if _running_loop() is not None:
            raise ConfigurationError("rows_sync is for a plain def in its thread; in an async def, await rows()")
        pool = self._pool
        if pool is None or pool.loop.is_closed():
            return asyncio.run(self._alone(statement, parameters))
        return asyncio.run_coroutine_threadsafe(self.read(statement, parameters), pool.loop).result()

    async def execute_write(self, statement: Declared, parameters: Parameters = ()) -> int:
        """Run the author's own statement in a transaction; return how many rows changed. Raises ``UnsafeQuery``."""
        if not isinstance(statement, Declared):
            raise TypeError("execute_write takes a Declared statement, which is written in code and never built")
        if not _MAY_START.match(statement.sql):
            raise UnsafeQuery("a declared statement is INSERT, UPDATE, DELETE, MERGE or SELECT", code="query.statement")
        return await self._run("READ WRITE", lambda connection: _write(connection, statement, parameters))

    async def _alone(self, statement: PgStatement, parameters: Parameters) -> Rows:
        twin = Postgres.__new__(Postgres)
        twin.__dict__ |= self.__getstate__()
        twin._pool = pgpool.Pool(self._place, self.caps.timeout, 1)
        try:
            return await twin.read(statement, parameters)
        finally:
            await twin.close()

    async def _run(self, mode: pgpool.Mode, work: Callable[[Any], Awaitable[T]]) -> T:
        try:
            return await self._home().run(mode, work)
        except RoleRefused:  # its rights grew while the server ran
            raise UnsafeQuery(
                "the database's role may do too much; its operator must look", code="query.unavailable"
            ) from None

    def _home(self) -> pgpool.Pool:
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool.loop.is_closed():
            self._pool = pgpool.Pool(self._place, self.caps.timeout)
        if self._pool.loop is not loop:
            raise ConfigurationError("this database belongs to another event loop; use read_sync from a thread")
        return self._pool

    async def _rows(self, connection: Any, statement: PgStatement, parameters: Parameters) -> Rows:
        await self._check_names(connection, statement)
        # Alone first: what PostgreSQL reads as one whole statement cannot end in the middle of the frame around it.
        alone = await connection.prepare(statement.sql)
        shown = alone.get_attributes()
        if not shown:
            raise UnsafeQuery("select at least one column", code="query.statement")
        values = bind(parameters, statement.names, alone.get_parameters())
        cursor = await connection.cursor(self._framed(statement.sql, len(shown)), *values)
        kinds = [kind_of(each.type) for each in shown]
        rows: list[Any] = []
        while batch := await cursor.fetch(_BATCH):
            for (text,) in batch:
                if text is None or len(rows) >= self.caps.rows:
                    return Rows([each.name for each in shown], rows, True)
                rows.append(row_of(text, kinds))
        return Rows([each.name for each in shown], rows, False)

    def _framed(self, sql: str, width: int) -> str:
        """``sql`` in a frame that sends each row as one JSON list of texts, and nothing of those beyond the caps.

        The server adds the lengths up as it goes, so that no value larger than the cap is ever sent.
        """
        names = ", ".join(f"c{number}" for number in range(width))
        cells = ", ".join(f"q.c{number}::text" for number in range(width))
        one = f"SELECT to_json(ARRAY[{cells}]::text[])::text AS r"
        rows = f"{one} FROM (\n{sql}\n) AS q({names})"
        counted = "SELECT r, sum(octet_length(r)) OVER (ROWS UNBOUNDED PRECEDING) AS n"
        return (
            f"SELECT CASE WHEN n <= {self.caps.bytes} THEN r END "  # noqa: S608 # nosec B608 - whole numbers
            f"FROM ({counted} FROM ({rows} LIMIT {self.caps.rows + 1}) AS t) AS w"
        )

    async def _check_names(self, connection: Any, statement: PgStatement) -> None:
        """The tables are users' and may be read, and no WITH name is one of the system's."""
        schemas, names = [schema for schema, _ in statement.tables], [name for _, name in statement.tables]
        if statement.tables:
            found = await connection.fetch(_AMONG, self.tables is None, schemas, names)
            if {tuple(row) for row in found} != statement.tables:
                raise no_table()
        if statement.ctes and await connection.fetchval(_SYSTEM, sorted(statement.ctes)):
            raise no_table()


async def _write(connection: Any, statement: Declared, parameters: Parameters) -> int:
    await connection.execute("SET LOCAL search_path = pg_catalog, public, pg_temp")  # authors write plain names
    prepared = await connection.prepare(statement.sql)  # one statement: two cannot be prepared
    values = bind(parameters, (), prepared.get_parameters())
    if prepared.get_attributes():  # RETURNING or SELECT: nobody reads these rows, however many there are
        return await _drained(await prepared.cursor(*values), statement.sql)
    await prepared.fetch(*values)
    verb, *_, count = str(prepared.get_statusmsg()).split(" ")
    return int(count) if verb in _CHANGING else 0


async def _drained(cursor: Any, sql: str) -> int:
    count = 0
    while batch := await cursor.fetch(_BATCH):
        count += len(batch)
    return count if pgstatements.verb_of(sql) in _CHANGING else 0


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
