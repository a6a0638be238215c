"""The type of a file to read: opened beneath its root by each method, and closed with the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from holdfast.safe.blocking import in_thread
from holdfast.safe.descriptors import FileFacts, OpenedFile, decode, facts_of
from holdfast.safe.refusals import too_large
from holdfast.safe.relative import FileHandle
from holdfast.safe.stoppable import Stop, never, stoppable

if TYPE_CHECKING:
    from holdfast.safe.archives import ArchiveLimits, Extracted
    from holdfast.safe.paths import DirPath


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

    def extract_sync(self, into: DirPath, limits: ArchiveLimits | None = None) -> Extracted:
        """Unpack this zip or tar archive into a directory, as a whole or not at all; see ``archives.extract``."""
        return self._extract(never, into, limits)

    async def extract(self, into: DirPath, limits: ArchiveLimits | None = None) -> Extracted:
        """See ``extract_sync``; once the call is cancelled, what was begun is taken back."""
        return await stoppable(self._extract, into, limits)

    def _extract(self, stop: Stop, into: DirPath, limits: ArchiveLimits | None) -> Extracted:
        from holdfast.safe import archives  # zipfile and tarfile take longer to load than all the rest of paths

        root = self._root()
        with self.open_sync() as archive:
            if archive.facts.size > root.max_read:
                raise too_large(root.max_read)
            return archives.extract(archive, into.place(), limits or archives.ArchiveLimits(), stop)
