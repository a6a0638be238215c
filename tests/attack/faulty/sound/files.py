"""Tools for files beneath the folder that the server was started in; every component is opened by itself."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sound.errors import ToolFailed
from sound.tools import Tool, Tools, annotated, closed, text

FILE = text("a file of the workspace", 1_024)
FOLDER = text("a folder of the workspace", 1_024)
OPTIONS = closed(
    {
        "ignore_case": {"type": "boolean", "description": "whether a and A are the same"},
        "limit": {"type": "integer", "description": "how many lines at most", "minimum": 1, "maximum": 100},
    },
    (),
)
ORDER = {"type": "string", "description": "what comes first", "enum": ["name", "size"]}
NO_FILE = "there is no such file, or it may not be used"


class Files(Tools):
    """Nothing is resolved: a link is no way, and what is opened is looked at before it is used."""

    FILE = 1_048_576  # bytes
    TEXT = 131_072  # bytes that are read
    NAMES = 1_000  # that are listed or searched

    def tools(self) -> tuple[Tool, ...]:
        """With those of files."""
        find = {"pattern": text("the text to look for, taken literally", 256), "path": FOLDER, "options": OPTIONS}
        return (
            *super().tools(),
            Tool("read_file", "Read a text file.", {"path": FILE}, (), annotated()),
            Tool(
                "write_file",
                "Write a text file, replacing what it held.",
                {"path": FILE, "text": text("what to write", 65_536)},
                (),
                annotated(writes=True),
            ),
            Tool("list_dir", "List a folder.", {"path": FOLDER, "order": ORDER}, ("order",), annotated()),
            Tool("search", "Find lines with a text.", find, ("options",), annotated()),
        )

    async def read_file(self, path: str) -> str:
        """What a file holds."""
        return await self.aside(self.content, path)

    async def write_file(self, path: str, text: str) -> str:
        """Whole or not at all."""
        await self.aside(self.put, path, text)
        return "written"

    async def list_dir(self, path: str, order: str = "name") -> str:
        """Names, folders with a slash."""
        return "\n".join(await self.aside(self.listing, path, order))

    async def search(self, pattern: str, path: str, options: dict[str, Any] | None = None) -> str:
        """Lines that hold the pattern."""
        return "\n".join(await self.aside(self.found, pattern, path, options or {}))

    def names(self, path: str) -> list[str]:
        """The components of a path; hidden ones, and ways up or out, are none."""
        if "\0" in path or "\\" in path or path.startswith(("/", "~")):
            raise ToolFailed(NO_FILE)
        names = [name for name in path.split("/") if name not in ("", ".")]
        if any(name.startswith(".") for name in names):
            raise ToolFailed(NO_FILE)
        return names

    @contextmanager
    def folder(self, names: list[str]) -> Iterator[int]:
        """A descriptor of a folder, reached one component at a time and never through a link."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        here = os.open(os.getcwd(), flags)
        try:
            for name in names:
                below = os.open(name, flags, dir_fd=here)
                os.close(here)
                here = below
            yield here
        except (OSError, ValueError):
            raise ToolFailed(NO_FILE) from None
        finally:
            os.close(here)

    def opened(self, path: str) -> int:
        """A descriptor of a file, which is looked at before it is given."""
        names = self.names(path)
        if not names:
            raise ToolFailed(NO_FILE)
        with self.folder(names[:-1]) as folder:
            fd = os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            self.inspect(os.fstat(fd))
        except ToolFailed:
            os.close(fd)
            raise
        return fd

    def inspect(self, seen: os.stat_result) -> None:
        """A regular file with no second name, of a size that can be sent."""
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1 or seen.st_size > self.FILE:
            raise ToolFailed(NO_FILE)

    def content(self, path: str) -> str:
        """The text of a file, as much as may be sent; bytes that are none are replaced."""
        with os.fdopen(self.opened(path), "rb") as file:
            return file.read(self.TEXT).decode("utf-8", "replace")

    def put(self, path: str, text: str) -> None:
        """A new file beside the old one, then the name; what is there must be a plain file, or nothing."""
        names = self.names(path)
        if not names:
            raise ToolFailed(NO_FILE)
        with self.folder(names[:-1]) as folder:
            with suppress(FileNotFoundError):
                self.inspect(os.stat(names[-1], dir_fd=folder, follow_symlinks=False))
            self.replace(folder, names[-1], text.encode())

    def replace(self, folder: int, name: str, data: bytes) -> None:
        """Written, synchronised and renamed."""
        part = f".{secrets.token_hex(8)}.part"
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(fd)
            os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with suppress(OSError):
                os.unlink(part, dir_fd=folder)
            raise

    def listing(self, path: str, order: str) -> list[str]:
        """What a folder holds, hidden names left out."""
        with self.folder(self.names(path)) as folder:
            seen = [
                (name, os.stat(name, dir_fd=folder, follow_symlinks=False))
                for name in sorted(os.listdir(folder))[: self.NAMES]
                if not name.startswith(".")
            ]
        if order == "size":
            seen.sort(key=lambda entry: -entry[1].st_size)
        return [name + "/" * stat.S_ISDIR(status.st_mode) for name, status in seen]

    def found(self, pattern: str, path: str, options: dict[str, Any]) -> list[str]:
        """Lines of the files beneath a path."""
        lines: list[str] = []
        for name in self.beneath(path):
            with suppress(ToolFailed):
                lines += [f"{name}: {line[:500]}" for line in self.matching(pattern, self.content(name), options)]
            if len(lines) >= options.get("limit", 100):
                break
        return lines[: int(options.get("limit", 100))]

    def matching(self, pattern: str, content: str, options: dict[str, Any]) -> list[str]:
        """The pattern is a text, no expression: nothing of it can take long."""
        fold = str.casefold if options.get("ignore_case") else str
        return [line for line in content.splitlines() if fold(pattern) in fold(line)]

    def beneath(self, path: str) -> list[str]:
        """The paths of all files beneath a folder, as many as are searched; a file is its own."""
        waiting, found = [self.names(path)], []
        while waiting and len(found) < self.NAMES:
            names = waiting.pop()
            try:
                entries = self.listing("/".join(names) or ".", "name")
            except ToolFailed:
                found += ["/".join(names)] if names and not found else []
                continue
            for entry in entries:
                if entry.endswith("/"):
                    waiting.append([*names, entry[:-1]])
                else:
                    found.append("/".join([*names, entry]))
        return found
