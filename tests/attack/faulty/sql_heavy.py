"""Lets a statement go on for ever, and waits for it."""

import sqlite3

from sound import Sound, main

CASE = "sql.heavy"
TRANSPORT = "stdio"
SLOW = True
CALL_DEADLINE = 8


class Faulty(Sound):
    def confine(self, connection: sqlite3.Connection) -> None:
        super().confine(connection)
        connection.set_progress_handler(None, 0)

    async def query(self, sql: str) -> str:
        return self.asked_database(sql)


if __name__ == "__main__":
    main(Faulty)
