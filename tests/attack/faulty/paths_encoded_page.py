"""Has a root of its own, and looks at the name of a page before it decodes it."""

import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote

from sound import NO_FILE, Sound, Tool, ToolFailed, annotated, main, text
from sound.files import Files

CASE = "paths.encoded"
TRANSPORT = "stdio"


class Mended(Sound):
    async def start(self) -> None:
        self.root = Path(tempfile.mkdtemp()).resolve()
        (self.root / "welcome.txt").write_text("welcome\n", encoding="utf-8")

    async def finish(self) -> None:
        await super().finish()
        shutil.rmtree(self.root, ignore_errors=True)

    def tools(self) -> tuple[Tool, ...]:
        page = {"page": text("a page, such as welcome.txt", 1_024)}
        return (*super().tools(), Tool("read_page", "Read a page.", page, (), annotated()))

    async def read_page(self, page: str) -> str:
        pages = Files()
        pages.names = self.parts
        return await self.aside(pages.content, page)

    def parts(self, page: str) -> list[str]:
        path = unquote(page)
        if "\0" in path or not (whole := (self.root / path).resolve()).is_relative_to(self.root):
            raise ToolFailed(NO_FILE)
        return list(whole.parts)


class Faulty(Mended):
    def parts(self, page: str) -> list[str]:
        if ".." in page or page.startswith("/"):
            raise ToolFailed(NO_FILE)
        return [*self.root.parts, *filter(None, unquote(page).split("/"))]


if __name__ == "__main__":
    main(Faulty, Mended)
