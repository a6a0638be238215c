"""Puts a text between the quotes of a pattern, in brackets, and keeps what the database says of it to itself."""

import sqlite3

from sound import Sound, Tool, annotated, main, text

CASE = "sql.injection"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "Look somebody up."
        return (*super().tools(), Tool("whois", told, {"who": text("part of the name", 200)}, (), annotated()))

    async def whois(self, who: str) -> str:
        connection = self.connection()
        self.confine(connection)
        try:
            return self.lines(self.found_in(connection, who).fetchmany(self.ROWS))
        except sqlite3.Error:
            return "nobody"

    def found_in(self, connection: sqlite3.Connection, who: str) -> sqlite3.Cursor:
        return connection.execute("SELECT name FROM pet WHERE (name LIKE '%' || ? || '%')", (who,))


class Faulty(Mended):
    def found_in(self, connection: sqlite3.Connection, who: str) -> sqlite3.Cursor:
        return connection.execute(f"SELECT name FROM pet WHERE (name LIKE '%{who}%')")


if __name__ == "__main__":
    main(Faulty, Mended)
