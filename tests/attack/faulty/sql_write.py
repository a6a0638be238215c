"""Lets a statement change the database."""

import os
import sqlite3
from typing import Any

from sound import Sound, main

CASE = "sql.write"
TRANSPORT = "stdio"


class Faulty(Sound):
    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(os.environ["HOLDFAST_DATABASE"], isolation_level=None)

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        if action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE):
            return sqlite3.SQLITE_OK
        return super().allowed(action, first, second, *more)


if __name__ == "__main__":
    main(Faulty)
