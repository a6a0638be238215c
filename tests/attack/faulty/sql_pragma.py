"""Lets a statement set what SQLite keeps of its own."""

import os
import sqlite3
from typing import Any

from sound import Sound, main

CASE = "sql.pragma"
TRANSPORT = "stdio"


class Faulty(Sound):
    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(os.environ["HOLDFAST_DATABASE"], isolation_level=None)

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        return sqlite3.SQLITE_OK if action == sqlite3.SQLITE_PRAGMA else super().allowed(action, first, second, *more)


if __name__ == "__main__":
    main(Faulty)
