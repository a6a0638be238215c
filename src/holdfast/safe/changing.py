"""The type of a file to write: replaced, appended to, moved or removed beneath its root."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, TypedDict, Unpack

from holdfast.safe import appending, renaming, writing
from holdfast.safe.blocking import in_thread
from holdfast.safe.reading import ReadPath
from holdfast.safe.refusals import not_text, read_only
from holdfast.safe.relative import FileHandle
from holdfast.safe.sandbox import Sandbox


class Writing(TypedDict, total=False):
    """How a file is written; each is false or 0 unless given."""

    backups: int
    make_parents: bool
    redacted: bool


class WritePath(FileHandle):
    """A file to be written beneath the workspace. All methods raise ``UnsafePath`` with a narrower code.

    ``backups`` keeps that many former versions (hidden, ``.NAME.~1~`` the latest); ``make_parents`` makes missing
    directories. Refused: a read-only root, hard links, symbolic links and whatever is not a regular file; and content
    with a mark of redaction (``[redacted:RULE]``) that the old does not hold, since a caller would write it over the
    secret that it was not shown (path.redacted). ``redacted=True`` is for a tool whose content comes from elsewhere.
    """

    __slots__ = ()
    describe: ClassVar[str] = "path of a file to write, relative to the workspace, with / between directories"

    def __init__(self, text: str, sandbox: Sandbox | None) -> None:
        super().__init__(text, sandbox)
        if sandbox is not None and sandbox.workspace is not None and sandbox.workspace.read_only:
            raise read_only()

    def write_bytes_sync(self, data: bytes, **how: Unpack[Writing]) -> int:
        """Replace the file as a whole or not at all; durable on return. Returns the bytes written."""
        return writing.write_atomically(self._root(), self._parts, data, **how)

    def write_text_sync(self, text: str, **how: Unpack[Writing]) -> int:
        """``write_bytes_sync`` of the text in UTF-8."""
        return self.write_bytes_sync(_encode(text), **how)

    def append_text_sync(self, text: str, *, make_parents: bool = False, redacted: bool = False) -> int:
        """Add to the end in UTF-8; all or nothing, except when killed in the middle. Returns the bytes added."""
        data = _encode(text)
        return appending.append(self._root(), self._parts, data, make_parents=make_parents, redacted=redacted)

    def remove_sync(self) -> None:
        """Remove the file; durable on return. Refuses when there is none."""
        renaming.remove(*self.place())

    def move_sync(self, to: WritePath, *, make_parents: bool = False) -> None:
        """Give the file another name, never one that is taken (path.exists)."""
        renaming.move(self.place(), to.place(), make_parents=make_parents)

    def exists_sync(self) -> bool:
        """Whether the file is there; refuses when something that is not a plain file has its name."""
        return writing.exists(self._root(), self._parts)

    def reader(self) -> ReadPath:
        """The same file to read, for tools that edit."""
        return ReadPath(self.text, self._sandbox)

    async def write_bytes(self, data: bytes, **how: Unpack[Writing]) -> int:
        """See ``write_bytes_sync``."""
        return await in_thread(partial(self.write_bytes_sync, data, **how))

    async def write_text(self, text: str, **how: Unpack[Writing]) -> int:
        """See ``write_text_sync``."""
        return await in_thread(partial(self.write_text_sync, text, **how))

    async def append_text(self, text: str, *, make_parents: bool = False, redacted: bool = False) -> int:
        """See ``append_text_sync``."""
        return await in_thread(self.append_text_sync, text, make_parents=make_parents, redacted=redacted)

    async def remove(self) -> None:
        """See ``remove_sync``."""
        await in_thread(self.remove_sync)

    async def move(self, to: WritePath, *, make_parents: bool = False) -> None:
        """See ``move_sync``."""
        await in_thread(self.move_sync, to, make_parents=make_parents)

    async def exists(self) -> bool:
        """See ``exists_sync``."""
        return await in_thread(self.exists_sync)


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        raise not_text() from None
