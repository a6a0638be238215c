"""The path types of tool arguments: each validated value is a sealed handle that opens beneath the workspace itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final, Self, TypeAlias

from holdfast.safe import leftovers, listing, names, searching
from holdfast.safe.blocking import in_thread
from holdfast.safe.changing import WritePath
from holdfast.safe.descriptors import FileFacts, OpenedDirectory, OpenedFile
from holdfast.safe.folder import MAX_BYTES, Folder
from holdfast.safe.listing import Entry
from holdfast.safe.names import DEFAULT_DENY
from holdfast.safe.reading import ReadPath
from holdfast.safe.relative import PathHandle
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.searching import Line, Pattern
from holdfast.safe.stoppable import never, stoppable
from holdfast.safe.within import Within

__all__ = [
    "DEFAULT_DENY",
    "MAX_BYTES",
    "DirPath",
    "Entry",
    "FileFacts",
    "Line",
    "OpenedDirectory",
    "OpenedFile",
    "ReadPath",
    "Root",
    "Within",
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


Entries: TypeAlias = list[Entry]
Files: TypeAlias = list[ReadPath]
Lines: TypeAlias = list[Line]


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

    def search_sync(self, pattern: Pattern, files: str | None = None, limit: int = 200) -> tuple[Lines, bool]:
        """The lines beneath that ``pattern`` matches, in files chosen as by ``walk``, and whether there may be more.

        ``pattern`` must take linear time, as RE2's do; ``FileTool.search`` makes one of a caller's text.
        """
        return searching.search(never, self.place(), pattern, files, limit)

    def open_fd_sync(self) -> OpenedDirectory:
        """The open directory, for a command's working directory; closes with the call, or by ``close`` or ``with``."""
        return OpenedDirectory(self._root().open_directory(self._parts))

    async def list(self, limit: int = MAX_ENTRIES) -> Entries:
        """See ``list_sync``."""
        return await in_thread(self.list_sync, limit)

    async def walk(self, pattern: str | None = None, limit: int = MAX_ENTRIES, depth: int = MAX_LEVELS) -> Files:
        """See ``walk_sync``."""
        return await in_thread(self.walk_sync, pattern, limit, depth)

    async def search(self, pattern: Pattern, files: str | None = None, limit: int = 200) -> tuple[Lines, bool]:
        """See ``search_sync``; ends soon after its call does."""
        return await stoppable(searching.search, self.place(), pattern, files, limit)

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
