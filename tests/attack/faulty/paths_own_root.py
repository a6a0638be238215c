"""Has a root of its own, and goes up from it where a path says so."""

import shutil
import tempfile
from pathlib import Path

from sound import NO_FILE, Sound, Tool, ToolFailed, annotated, main, text
from sound.files import Files

CASE = "paths.parent"
TRANSPORT = "stdio"


class Mended(Sound):
    async def start(self) -> None:
        self.root = Path(tempfile.mkdtemp()).resolve()
        (self.root / "welcome.txt").write_text("welcome\n", encoding="utf-8")

    async def finish(self) -> None:
        await super().finish()
        shutil.rmtree(self.root, ignore_errors=True)

    def tools(self) -> tuple[Tool, ...]:
        path = {"path": text("a page, such as welcome.txt", 1_024)}
        return (*super().tools(), Tool("read_page", "Read a page.", path, (), annotated()))

    async def read_page(self, path: str) -> str:
        pages = Files()
        pages.names = self.parts
        return await self.aside(pages.content, path)

    def parts(self, path: str) -> list[str]:
        if "\0" in path or not (whole := (self.root / path).resolve()).is_relative_to(self.root):
            raise ToolFailed(NO_FILE)
        return list(whole.parts)


class Faulty(Mended):
    def parts(self, path: str) -> list[str]:
        if path.startswith("/"):
            raise ToolFailed(NO_FILE)
        return [*self.root.parts, *filter(None, path.split("/"))]


if __name__ == "__main__":
    main(Faulty, Mended)
