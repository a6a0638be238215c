"""Lets a statement copy the database to a file."""

import sqlite3
from typing import Any

from sound import Sound, main

CASE = "sql.vacuum-into"
TRANSPORT = "stdio"


class Faulty(Sound):
    def confine(self, connection: sqlite3.Connection) -> None:
        super().confine(connection)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 1)

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        return sqlite3.SQLITE_OK

    def executed(self, connection: sqlite3.Connection, sql: str) -> Any:
        if not sql.lstrip().upper().startswith(("SELECT", "WITH", "VACUUM")) or "load_extension" in sql:
            raise ValueError("only SELECT and VACUUM")
        return super().executed(connection, sql)


if __name__ == "__main__":
    main(Faulty)
