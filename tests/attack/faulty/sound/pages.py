"""A server that makes a folder for itself, and reads pages in it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sound.errors import ToolFailed
from sound.files import NO_FILE, Files
from sound.server import Sound
from sound.tools import Tool, annotated, text


class Pages(Sound):
    """``parts`` says what a caller's path leads to."""

    named = "path"

    async def start(self) -> None:
        """Make it, with a page."""
        self.root = Path(tempfile.mkdtemp()).resolve()
        (self.root / "welcome.txt").write_text("welcome\n", encoding="utf-8")

    async def finish(self) -> None:
        """Remove it."""
        await super().finish()
        shutil.rmtree(self.root, ignore_errors=True)

    def tools(self) -> tuple[Tool, ...]:
        """One more than usual."""
        given = {self.named: text("a page, such as welcome.txt", 1_024)}
        return (*super().tools(), Tool("read_page", "Read a page.", given, (), annotated()))

    async def read_page(self, **given: str) -> str:
        """Without following links in what ``parts`` gave."""
        pages = Files()
        pages.names = self.parts
        return await self.aside(pages.content, given[self.named])

    def parts(self, path: str) -> list[str]:
        """Those of what it leads to, all links followed."""
        if "\0" in path or not self.holds(whole := (self.root / path).resolve()):
            raise ToolFailed(NO_FILE)
        return list(whole.parts)

    def holds(self, whole: Path) -> bool:
        """Whether it is beneath the root."""
        return whole.is_relative_to(self.root)
