"""Holds every row of an answer before it cuts it."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from sound import Sound, main

CASE = "sql.rows"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    SQL_SECONDS = 60.0

    def executed(self, connection: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
        return iter(connection.execute(sql).fetchall())


if __name__ == "__main__":
    main(Faulty)
