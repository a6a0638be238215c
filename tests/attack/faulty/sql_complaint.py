"""Puts a text that it keeps between the quotes of a statement, and tells whoever asks what the database says of it."""

import sqlite3

from sound import Sound, Tool, ToolFailed, annotated, main, text

CASE = "sql.injection"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "Keep a remark for this session."
        return (
            *super().tools(),
            Tool("remark", told, {"words": text("what to keep", 200)}, (), annotated(writes=True)),
        )

    async def remark(self, words: str) -> str:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE kept (words)")
        try:
            self.keep(connection, words)
        except sqlite3.Error as error:
            raise ToolFailed(str(error)) from None
        finally:
            connection.close()
        return "kept"

    def keep(self, connection: sqlite3.Connection, words: str) -> None:
        connection.execute("INSERT INTO kept VALUES (?)", (words,))


class Faulty(Mended):
    def keep(self, connection: sqlite3.Connection, words: str) -> None:
        connection.execute(f"INSERT INTO kept VALUES ('{words}')")


if __name__ == "__main__":
    main(Faulty, Mended)
