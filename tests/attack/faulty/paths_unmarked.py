"""Goes up where the path of a note says so, in a tool of which its name alone says that it reads."""

from typing import Any

from sound import Sound, Tool, annotated, main, text
from sound.files import Files

CASE = "paths.parent"
TRANSPORT = "stdio"


class Upward(Files):
    def names(self, path: str) -> list[str]:
        names = super().names(path.replace("../", ""))
        return [".."] * path.count("../") + names


class Unmarked(Tool):
    def listed(self) -> dict[str, Any]:
        told = super().listed()
        del told["annotations"]
        return told


class Mended(Sound):
    tool, notes = Tool, Files()

    def tools(self) -> tuple[Tool, ...]:
        path = {"path": text("a note of the workspace", 1_024)}
        return (*super().tools(), self.tool("read_note", "Read a note.", path, (), annotated()))

    async def read_note(self, path: str) -> str:
        return await self.aside(self.notes.content, path)


class Faulty(Mended):
    tool, notes = Unmarked, Upward()


if __name__ == "__main__":
    main(Faulty, Mended)
