"""Takes back what a statement changed, unless the statement ends the transaction (server-postgres 0.6.2)."""

import os
import sqlite3
from collections.abc import Iterator
from typing import Any

from sound import Sound, main

CASE = "sql.commit-first"
TRANSPORT = "stdio"


class Faulty(Sound):
    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(os.environ["HOLDFAST_DATABASE"], isolation_level=None)

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        closed = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_FUNCTION)
        return super().allowed(action, first, second, *more) if action in closed else sqlite3.SQLITE_OK

    def executed(self, connection: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
        connection.execute("BEGIN")
        try:
            rows = [row for statement in sql.split(";") for row in super(Faulty, self).executed(connection, statement)]
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return iter(rows)


if __name__ == "__main__":
    main(Faulty)
