"""One SQLite connection that can read the allowed tables and do nothing else: authorizer, limits, clock, caps."""

from __future__ import annotations

import base64
import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final
from urllib.parse import quote

from holdfast.errors import UnsafeQuery
from holdfast.safe.databases import Caps, Cell, Parameters, Rows

_ABORT_CHECK: Final = 1_000
"""Virtual-machine instructions between two looks at the clock: about 20 us of SQLite for 0.3 us of Python."""
MAX_TABLES: Final = 1_000
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COLUMN: 1_000,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 50_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 16,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 256,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 500,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""Run-time limits (sqlite.org/limits.html); ATTACH was the hole in ``mode=ro`` (measured: it read and wrote files)."""
_PRAGMAS: Final = ("query_only=ON", "trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "cache_size=-8192")


@dataclass(slots=True)
class Stop:
    """Ends a running query from another thread (its caller was cancelled)."""

    _asked: threading.Event = field(default_factory=threading.Event)
    _interrupt: Callable[[], None] | None = None

    def __call__(self) -> None:
        self._asked.set()
        if (interrupt := self._interrupt) is not None:
            try:
                interrupt()
            except sqlite3.ProgrammingError:
                return  # the query ended and closed its connection between the two lines

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def watch(self, connection: sqlite3.Connection, deadline: float) -> None:
        """From now on ``connection`` gives up at ``deadline`` (monotonic seconds) or when asked to."""
        self._interrupt = connection.interrupt
        connection.set_progress_handler(lambda: self.asked or monotonic() > deadline, _ABORT_CHECK)


class Gate:
    """The authorizer: an allow-list of actions, tables and functions that SQLite asks while it compiles."""

    __slots__ = ("_all", "_ctes", "_functions", "_tables", "_views", "refused")

    def __init__(self, schema: Schema, tables: frozenset[str], functions: frozenset[str], ctes: frozenset[str]) -> None:
        self._all = schema.names
        self._views = schema.views & tables
        self._tables = tables
        self._functions = functions
        self._ctes = ctes
        self.refused: str | None = None

    def __call__(self, action: int, first: str | None, second: str | None, db: str | None, source: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            return self._decide(self._may_read(first, second, db, source), "query.table")
        if action == sqlite3.SQLITE_FUNCTION:
            return self._decide((second or "").lower() in self._functions, "query.function")
        return self._decide(False, "query.statement")

    def _may_read(self, table: str | None, column: str | None, db: str | None, source: str | None) -> bool:
        name = (table or "").lower()
        if db not in (None, "main"):
            return False
        if name in self._tables:
            return True
        if name in self._ctes and not column:
            return name not in self._all  # a statement's own name, of which no column is read
        # An allowed view may read what it is made of; no alias or WITH name can pose as one (checked in the grammar).
        return (source or "").lower() in self._views

    def _decide(self, allowed: bool, code: str) -> int:
        if allowed:
            return sqlite3.SQLITE_OK
        self.refused = self.refused or code
        return sqlite3.SQLITE_DENY


@dataclass(frozen=True, slots=True)
class Schema:
    """Names in lower case: everything in the file, the views, and the plain tables and views a user made."""

    names: frozenset[str]
    views: frozenset[str]
    user: frozenset[str]

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Schema:
        """Read the names; virtual tables (their modules run code) count as user tables only when named by hand."""
        found = connection.execute("SELECT name, type, sql FROM sqlite_schema WHERE type IN ('table', 'view')")
        listed = [(str(name).lower(), kind, str(sql)) for name, kind, sql in found.fetchmany(MAX_TABLES)]
        plain = {n for n, _, sql in listed if not n.startswith("sqlite_") and not sql.upper().startswith("CREATE VIR")}
        return cls(
            names=frozenset(name for name, _, _ in listed),
            views=frozenset(name for name, kind, _ in listed if kind == "view"),
            user=frozenset(plain),
        )


@contextmanager
def connected(path: Path, mode: str, caps: Caps, stop: Stop) -> Iterator[sqlite3.Connection]:
    """A connection of its own for one statement, in ``mode`` ``ro`` or ``rw``, closed whatever happens."""
    uri = f"file:{quote(str(path))}?mode={mode}"
    deadline = monotonic() + caps.timeout
    with closing(sqlite3.connect(uri, uri=True, timeout=min(caps.timeout, 1.0), isolation_level=None)) as connection:
        connection.text_factory = _text
        for category, limit in _LIMITS.items():
            connection.setlimit(category, limit)
        for pragma in _PRAGMAS if mode == "ro" else _PRAGMAS[1:]:
            connection.execute(f"PRAGMA {pragma}")
        stop.watch(connection, deadline)
        yield connection


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")  # sqlite3's own decoder would fail and repeat the value in its message


def bind(parameters: Parameters) -> Parameters:
    """The parameters, if each is null, text, bytes or a 64-bit number. Raises ``UnsafeQuery``."""
    values = parameters.values() if isinstance(parameters, Mapping) else parameters
    for value in values:
        if not isinstance(value, str | int | float | bytes | None) or (isinstance(value, int) and abs(value) >> 63):
            raise UnsafeQuery("parameters are null, text, bytes or 64-bit numbers", code="query.failed")
    return parameters


def collect(cursor: sqlite3.Cursor, caps: Caps) -> Rows:
    """Read rows until one cap is reached; each row is counted as it would stand in JSON."""
    columns = [str(column[0]) for column in cursor.description or ()]
    rows: list[list[Cell]] = []
    size = sum(map(len, columns))
    for raw in cursor:
        row = [_json_value(value) for value in raw]
        size += sum(len(value.encode()) if isinstance(value, str) else 8 for value in row)
        if len(rows) >= caps.rows or size > caps.bytes:
            return Rows(columns, rows, True)
        rows.append(row)
    return Rows(columns, rows, False)


def _json_value(value: Any) -> Cell:
    if isinstance(value, bytes):
        return "base64:" + base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value  # type: ignore[no-any-return]  # sqlite3 yields str, int, float, bytes and None only


_REASONS: Final = (  # (beginning of SQLite's message, code, what the caller reads)
    ("interrupted", "query.timeout", "the query took too long; narrow it down or use an index"),
    ("no such column", "query.failed", "no such column; ask for the schema"),
    ("no such table", "query.table", "no such table, or it may not be read; ask for the schema"),
    ("no such function", "query.function", "no such function"),
    ("ambiguous column", "query.failed", "an ambiguous column name; write table.column"),
    ("wrong number of arguments", "query.failed", "a function has the wrong number of arguments"),
    ("misuse of", "query.failed", "an aggregate or window function stands where it may not"),
    ("Incorrect number of bindings", "query.failed", "the number of parameters does not fit the placeholders"),
    ("You did not supply a value", "query.failed", "a named placeholder has no parameter"),
    ("Binding ", "query.failed", "named placeholders take named parameters, question marks take a list"),
    ("string or blob too big", "query.failed", "a value is too large; select less of it"),
    ("UNIQUE constraint", "query.failed", "a row with this key exists already"),
    ("FOREIGN KEY constraint", "query.failed", "a row that this one refers to does not exist"),
    ("NOT NULL constraint", "query.failed", "a value that must be given is missing"),
    ("CHECK constraint", "query.failed", "a value that the table does not accept"),
    ("database is locked", "query.busy", "the database is busy; try again"),
    ("SELECTs to the left and right", "query.failed", "the parts of a compound SELECT differ in their columns"),
)
_DENIED: Final = {
    "query.table": "no such table, or it may not be read; ask for the schema",
    "query.function": "a function that is not allowed; use common aggregate, text and date functions",
    "query.statement": "only plain SELECT statements are taken; this part is not",
}


def refusal(error: Exception, gate: Gate | None = None) -> UnsafeQuery:
    """The refusal that tells what to do without a name or value of the statement or the data."""
    if gate is not None and gate.refused is not None:
        return UnsafeQuery(_DENIED[gate.refused], code=gate.refused)
    text = str(error)
    for beginning, code, message in _REASONS:
        if text.startswith(beginning):
            return UnsafeQuery(message, code=code)
    return UnsafeQuery("the database refused the query; ask for the schema and simplify it", code="query.failed")
