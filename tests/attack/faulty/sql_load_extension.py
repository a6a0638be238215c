"""Lets a statement load a library."""

import ctypes
import sqlite3
from typing import Any

from sound import Sound, main

CASE = "sql.load-extension"
TRANSPORT = "stdio"


def load(path: str) -> str:
    try:
        return repr(ctypes.CDLL(path))
    except OSError as error:
        return str(error)


class Faulty(Sound):
    def confine(self, connection: sqlite3.Connection) -> None:
        super().confine(connection)
        connection.create_function("load_extension", 1, load)

    def allowed(self, action: int, first: str | None, second: str | None, *more: Any) -> int:
        return sqlite3.SQLITE_OK if second == "load_extension" else super().allowed(action, first, second, *more)


if __name__ == "__main__":
    main(Faulty)
