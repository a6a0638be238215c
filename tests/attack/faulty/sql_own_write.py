"""Takes what begins with SELECT or WITH for a statement that only reads."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sound import Sound, Tool, annotated, main, text
from sound.database import Database

CASE = "sql.own-write"
TRANSPORT = "stdio"


class Sales(Database):
    def __init__(self) -> None:
        self.file = Path(tempfile.mkdtemp(), "sales.db").resolve()
        made = sqlite3.connect(self.file)
        made.executescript("CREATE TABLE sales (item, n); INSERT INTO sales VALUES ('tea', 3), ('oil', 4), ('rye', 5)")
        made.close()

    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.file.as_uri()}?mode=ro", uri=True)


class Careless(Sales):
    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, isolation_level=None)

    def allowed(self, *_action: Any) -> int:
        return sqlite3.SQLITE_OK

    def executed(self, connection: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
        if not sql.lstrip().upper().startswith(("SELECT", "WITH")):
            raise ValueError("only SELECT")
        return super().executed(connection, sql)


class Mended(Sound):
    kind = Sales

    async def start(self) -> None:
        self.sales = self.kind()

    async def finish(self) -> None:
        await super().finish()
        shutil.rmtree(self.sales.file.parent, ignore_errors=True)

    def tools(self) -> tuple[Tool, ...]:
        query = {"query": text("one SELECT statement of SQL", 8_192)}
        return (*super().tools(), Tool("run_query", "Ask for what was sold.", query, (), annotated()))

    async def run_query(self, query: str) -> str:
        return await self.aside(self.sales.asked_database, query)


class Faulty(Mended):
    kind = Careless


if __name__ == "__main__":
    main(Faulty, Mended)
