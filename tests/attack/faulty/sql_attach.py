"""Opens its database for reading, and any other that a statement names for reading and writing."""

import sqlite3
from typing import Any

from sound import Sound, main

CASE = "sql.attach"
TRANSPORT = "stdio"


class Faulty(Sound):
    def confine(self, connection: sqlite3.Connection) -> None:
        super().confine(connection)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 10)

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        return sqlite3.SQLITE_OK if action == sqlite3.SQLITE_ATTACH else super().allowed(action, first, second, *more)


if __name__ == "__main__":
    main(Faulty)
