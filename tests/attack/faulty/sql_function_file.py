"""Has a function of SQL that reads files."""

import sqlite3
from pathlib import Path
from typing import Any

from sound import Sound, main

CASE = "sql.function-file"
TRANSPORT = "stdio"


class Faulty(Sound):
    def confine(self, connection: sqlite3.Connection) -> None:
        super().confine(connection)
        connection.create_function("readfile", 1, lambda path: Path(path).read_text())

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        return sqlite3.SQLITE_OK if second == "readfile" else super().allowed(action, first, second, *more)


if __name__ == "__main__":
    main(Faulty)
