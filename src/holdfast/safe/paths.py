"""The path types of tool arguments: each validated value is a sealed handle that opens beneath the workspace itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final, Self, TypeAlias

from holdfast.safe import appending, leftovers, listing, names, writing
from holdfast.safe.blocking import in_thread
from holdfast.safe.descriptors import FileFacts, OpenedDirectory, OpenedFile, decode, facts_of
from holdfast.safe.folder import MAX_BYTES, Folder
from holdfast.safe.listing import Entry
from holdfast.safe.names import DEFAULT_DENY
from holdfast.safe.refusals import not_text, read_only
from holdfast.safe.relative import FileHandle, PathHandle
from holdfast.safe.sandbox import Sandbox

__all__ = [
    "DEFAULT_DENY",
    "MAX_BYTES",
    "DirPath",
    "Entry",
    "FileFacts",
    "OpenedDirectory",
    "OpenedFile",
    "ReadPath",
    "Root",
    "WritePath",
]

MAX_ENTRIES: Final = 10_000
"""Default for the most entries of one listing or walk."""
MAX_LEVELS: Final = 32
"""Default for the depth of a walk, in directories."""
LEFTOVER_AGE: Final = 3600.0
"""Seconds after which a temporary file has no writer any more: no call lasts that long."""


class Root(Folder):
    """The workspace, held as a directory descriptor. What ``Folder`` promises, and handles made by a program."""

    def dir(self, text: str = ".") -> DirPath:
        """A directory. Raises ``UnsafePath`` for an unacceptable text; touches nothing."""
        return DirPath(text, Sandbox(workspace=self))

    def read(self, text: str) -> ReadPath:
        """A file to read. Raises ``UnsafePath`` for an unacceptable text; touches nothing."""
        return ReadPath(text, Sandbox(workspace=self))

    def write(self, text: str) -> WritePath:
        """A file to write. Raises ``UnsafePath`` for an unacceptable text or a read-only root; touches nothing."""
        return WritePath(text, Sandbox(workspace=self))

    def sweep_sync(self, older_than: float = LEFTOVER_AGE, wall: Callable[[], float] = time.time) -> int:
        """Remove temporary files of killed writers, idle for ``older_than`` seconds; returns how many. For start-up."""
        return leftovers.sweep(self, wall() - older_than)


class ReadPath(FileHandle):
    """A file beneath the workspace, opened afresh by each method. All raise ``UnsafePath`` with a narrower code."""

    __slots__ = ()
    describe: ClassVar[str] = "path of a file to read, relative to the workspace, with / between directories"

    def open_sync(self) -> OpenedFile:
        """The open file; closes with the call, or earlier by ``close`` or ``with``."""
        root = self._root()
        fd, found = root.open_file(self._parts)
        return OpenedFile(fd, facts_of(found), root.max_read)

    def read_bytes_sync(self, limit: int | None = None) -> bytes:
        """The whole file, if it has at most ``limit`` bytes (never more than the root's ``max_read``)."""
        return self._root().read_bytes(self._parts, limit)

    def read_text_sync(self, encoding: str = "utf-8", limit: int | None = None) -> str:
        """The whole file, strictly decoded (path.not_text); ``limit`` is in bytes."""
        return decode(self.read_bytes_sync(limit), encoding)

    def stat_sync(self) -> FileFacts:
        """Size, time and kind, under the same rules as opening; a directory has facts too."""
        return facts_of(self._root().facts(self._parts))

    async def open(self) -> OpenedFile:
        """See ``open_sync``."""
        return await in_thread(self.open_sync)

    async def read_bytes(self, limit: int | None = None) -> bytes:
        """See ``read_bytes_sync``."""
        return await in_thread(self.read_bytes_sync, limit)

    async def read_text(self, encoding: str = "utf-8", limit: int | None = None) -> str:
        """See ``read_text_sync``."""
        return await in_thread(self.read_text_sync, encoding, limit)

    async def stat(self) -> FileFacts:
        """See ``stat_sync``."""
        return await in_thread(self.stat_sync)


class WritePath(FileHandle):
    """A file to be written beneath the workspace. All methods raise ``UnsafePath`` with a narrower code.

    ``backups`` keeps that many former versions (hidden, ``.NAME.~1~`` the latest); ``make_parents`` makes missing
    directories. Refused: a read-only root, hard links, symbolic links and whatever is not a regular file.
    """

    __slots__ = ()
    describe: ClassVar[str] = "path of a file to write, relative to the workspace, with / between directories"

    def __init__(self, text: str, sandbox: Sandbox | None) -> None:
        super().__init__(text, sandbox)
        if sandbox is not None and sandbox.workspace is not None and sandbox.workspace.read_only:
            raise read_only()

    def write_bytes_sync(self, data: bytes, *, backups: int = 0, make_parents: bool = False) -> int:
        """Replace the file as a whole or not at all; durable on return. Returns the bytes written."""
        return writing.write_atomically(self._root(), self._parts, data, backups=backups, make_parents=make_parents)

    def write_text_sync(self, text: str, *, backups: int = 0, make_parents: bool = False) -> int:
        """``write_bytes_sync`` of the text in UTF-8."""
        return self.write_bytes_sync(_encode(text), backups=backups, make_parents=make_parents)

    def append_text_sync(self, text: str, *, make_parents: bool = False) -> int:
        """Add to the end in UTF-8; all or nothing, except when killed in the middle. Returns the bytes added."""
        return appending.append(self._root(), self._parts, _encode(text), make_parents=make_parents)

    def exists_sync(self) -> bool:
        """Whether the file is there; refuses when something that is not a plain file has its name."""
        return writing.exists(self._root(), self._parts)

    def reader(self) -> ReadPath:
        """The same file to read, for tools that edit."""
        return ReadPath(self.text, self._sandbox)

    async def write_bytes(self, data: bytes, *, backups: int = 0, make_parents: bool = False) -> int:
        """See ``write_bytes_sync``."""
        return await in_thread(self.write_bytes_sync, data, backups=backups, make_parents=make_parents)

    async def write_text(self, text: str, *, backups: int = 0, make_parents: bool = False) -> int:
        """See ``write_text_sync``."""
        return await in_thread(self.write_text_sync, text, backups=backups, make_parents=make_parents)

    async def append_text(self, text: str, *, make_parents: bool = False) -> int:
        """See ``append_text_sync``."""
        return await in_thread(self.append_text_sync, text, make_parents=make_parents)

    async def exists(self) -> bool:
        """See ``exists_sync``."""
        return await in_thread(self.exists_sync)


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        raise not_text() from None


Entries: TypeAlias = list[Entry]
Files: TypeAlias = list[ReadPath]


class DirPath(PathHandle):
    """A directory of the workspace; shows only what could be opened. All methods raise ``UnsafePath``."""

    __slots__ = ()
    describe: ClassVar[str] = 'path of a directory, relative to the workspace ("." is the workspace itself)'

    def list_sync(self, limit: int = MAX_ENTRIES) -> Entries:
        """The visible entries, sorted by name. Refuses (path.too_many) when there are more than ``limit``."""
        return listing.entries(self._root(), self._parts, limit)

    def walk_sync(self, pattern: str | None = None, limit: int = MAX_ENTRIES, depth: int = MAX_LEVELS) -> Files:
        """All visible files beneath, sorted by path, at most ``depth`` directories down.

        ``pattern`` (fnmatch, case counts) is for the file's name, or with a ``/`` for the path relative to this
        directory. Refuses (path.too_many) past ``limit`` files or ``listing.MAX_SCAN`` entries looked at.
        """
        found = listing.files(self._root(), self._parts, listing.matcher(pattern), limit, depth)
        return [ReadPath(text, self._sandbox) for text in found]

    def open_fd_sync(self) -> OpenedDirectory:
        """The open directory, for a command's working directory; closes with the call, or by ``close`` or ``with``."""
        return OpenedDirectory(self._root().open_directory(self._parts))

    async def list(self, limit: int = MAX_ENTRIES) -> Entries:
        """See ``list_sync``."""
        return await in_thread(self.list_sync, limit)

    async def walk(self, pattern: str | None = None, limit: int = MAX_ENTRIES, depth: int = MAX_LEVELS) -> Files:
        """See ``walk_sync``."""
        return await in_thread(self.walk_sync, pattern, limit, depth)

    async def open_fd(self) -> OpenedDirectory:
        """See ``open_fd_sync``."""
        return await in_thread(self.open_fd_sync)

    def file(self, name: str) -> ReadPath:
        """A file beneath this directory. Raises ``UnsafePath`` when ``name`` leaves it, even within the workspace."""
        return ReadPath(self._beneath(name), self._sandbox)

    def target(self, name: str) -> WritePath:
        """A file to write beneath this directory, such as an archive's member. Raises as ``file`` does."""
        return WritePath(self._beneath(name), self._sandbox)

    def subdir(self, name: str) -> Self:
        """A directory beneath this one. Raises as ``file`` does."""
        return type(self)(self._beneath(name), self._sandbox)

    def _beneath(self, name: str) -> str:
        inner = names.parse(name, self._rules())
        return "/".join((*self._parts, *inner))
