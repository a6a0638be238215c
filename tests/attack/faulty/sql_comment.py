"""Looks at the first word of a statement, which may stand behind a comment."""

import os
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from sound import Sound, main

CASE = "sql.comment"
TRANSPORT = "stdio"


WRITES = re.compile(r"[\s;]*(insert|update|delete|replace|create|drop|alter|with|vacuum|begin|commit)\b", re.IGNORECASE)


class Faulty(Sound):
    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(os.environ["HOLDFAST_DATABASE"], isolation_level=None)

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        closed = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_FUNCTION)
        return super().allowed(action, first, second, *more) if action in closed else sqlite3.SQLITE_OK

    def executed(self, connection: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
        if WRITES.match(sql):
            raise ValueError("only SELECT")
        return super().executed(connection, sql)


if __name__ == "__main__":
    main(Faulty)
