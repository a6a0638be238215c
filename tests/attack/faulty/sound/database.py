"""A tool that asks an SQLite database, and can neither change it nor reach another file."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sound.errors import ToolFailed
from sound.tools import Tool, Tools, annotated, text

READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)
FUNCTIONS = re.compile(
    "abs|avg|char|coalesce|count|date|datetime|format|group_concat|hex|ifnull|iif|instr|json|json_extract|julianday"
    "|length|like|lower|ltrim|max|min|nullif|printf|quote|replace|round|rtrim|strftime|substr|substring|sum|time|total"
    "|trim|typeof|unicode|upper|zeroblob"
)


class Database(Tools):
    """Opened for reading, each action allowed by name, ended when it takes long."""

    ROWS = 100
    CELL = 65_536  # bytes of one value
    SQL_SECONDS = 2.0

    def tools(self) -> tuple[Tool, ...]:
        """With the one of the database."""
        sql = text("one SELECT statement of SQLite", 8_192)
        return (*super().tools(), Tool("query", "Ask the database.", {"sql": sql}, (), annotated()))

    async def query(self, sql: str) -> str:
        """Rows as text."""
        return await self.aside(self.asked_database, sql)

    def asked_database(self, sql: str) -> str:
        """Rows, one a line."""
        connection = self.connection()
        try:
            self.confine(connection)
            return self.lines(self.executed(connection, sql))
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError):
            raise ToolFailed("the statement was refused, failed or took too long") from None
        finally:
            connection.close()

    def connection(self) -> sqlite3.Connection:
        """To the database that the operator named."""
        where = os.environ.get("HOLDFAST_DATABASE", "")
        try:
            return sqlite3.connect(f"{Path(where).absolute().as_uri()}?mode=ro", uri=True)
        except sqlite3.Error:
            raise ToolFailed("there is no database") from None

    def confine(self, connection: sqlite3.Connection) -> None:
        """What a statement may do, and for how long."""
        connection.set_authorizer(self.allowed)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.CELL)
        connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, 100)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        end = time.monotonic() + self.SQL_SECONDS
        connection.set_progress_handler(lambda: int(time.monotonic() > end), 5_000)

    def allowed(self, action: int, first: str | None, second: str | None, *_more: Any) -> int:
        """Reading, and functions that only compute."""
        if action in READING or (action == sqlite3.SQLITE_FUNCTION and FUNCTIONS.fullmatch(second or "")):
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    def executed(self, connection: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
        """One statement; SQLite's own interface refuses a second."""
        return islice(connection.execute(sql), self.ROWS)

    def lines(self, rows: Iterable[tuple[Any, ...]]) -> str:
        """Rows as text, as much as may be sent."""
        lines, size = [], 0
        for row in rows:
            lines.append(" | ".join(map(str, row)))
            size += len(lines[-1])
            if size > self.CELL:
                break
        return "\n".join(lines)[: self.CELL]
