"""Looks at the first statement, and does them all (CVE-2026-130008)."""

import os
import sqlite3
from collections.abc import Iterator
from typing import Any

from sound import Sound, main

CASE = "sql.stacked"
TRANSPORT = "stdio"


CHANGES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_DROP_TABLE)


class Faulty(Sound):
    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(os.environ["HOLDFAST_DATABASE"], isolation_level=None)

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        return sqlite3.SQLITE_OK if action in CHANGES else super().allowed(action, first, second, *more)

    def executed(self, connection: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
        if not sql.lstrip().lower().startswith("select"):
            raise ValueError("only SELECT")
        first, *more = sql.split(";")
        rows = list(super().executed(connection, first))
        for statement in more:
            connection.execute(statement)
        return iter(rows)


if __name__ == "__main__":
    main(Faulty)
