"""Puts a name into a statement as it is."""

import sqlite3

from sound import Sound, Tool, annotated, main, text

CASE = "sql.injection"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "Look a pet up in the database."
        return (*super().tools(), Tool("pet", told, {"name": text("its name", 200)}, (), annotated()))

    async def pet(self, name: str) -> str:
        connection = self.connection()
        self.confine(connection)
        return self.lines(connection.execute("SELECT name, age FROM pet WHERE name = ?", (name,)).fetchmany(self.ROWS))


class Faulty(Mended):
    async def pet(self, name: str) -> str:
        connection = self.connection()
        self.confine(connection)
        try:
            return self.lines(
                connection.execute(f"SELECT name, age FROM pet WHERE name = '{name}'").fetchmany(self.ROWS)
            )
        except sqlite3.Error:
            return "there is no such pet"


if __name__ == "__main__":
    main(Faulty, Mended)
