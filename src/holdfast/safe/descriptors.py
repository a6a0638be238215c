"""Owned descriptors: closed once, with their call at the latest, and never under a thread that is using them."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

from holdfast.errors import UnsafePath
from holdfast.safe.blocking import in_thread
from holdfast.safe.handle import own
from holdfast.safe.refusals import not_text, too_large

CHUNK: Final = 1 << 20
"""Bytes asked of one read: bounds what is allocated before the file has proven to be that long."""


class Descriptor:
    """A descriptor with one owner. ``close`` waits for nobody: the last ``use`` in flight closes on its way out.

    Closing at once would hand the number to another open while a thread still reads from it.
    """

    __slots__ = ("_closed", "_fd", "_lock", "_users")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._users = 0
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def use(self) -> Iterator[int]:
        """Keep the descriptor open within the block. Raises ``UnsafePath`` (path.closed) after ``close``."""
        with self._lock:
            if self._closed:
                raise UnsafePath("it is closed already; open it again", code="path.closed")
            self._users += 1
        try:
            yield self._fd
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._closed and self._users == 0
        if last:
            os.close(self._fd)

    def close(self) -> None:
        """Idempotent and callable from any thread."""
        with self._lock:
            first, self._closed = not self._closed, True
            idle = self._users == 0
        if first and idle:
            os.close(self._fd)

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """``size`` in bytes, ``modified`` in seconds since the epoch."""

    size: int
    modified: float
    kind: Literal["file", "dir"]


def facts_of(found: os.stat_result) -> FileFacts:
    """The facts that a caller may know."""
    kind: Literal["file", "dir"] = "dir" if stat.S_ISDIR(found.st_mode) else "file"
    return FileFacts(size=found.st_size, modified=found.st_mtime, kind=kind)


def read_bounded(fd: int, limit: int) -> bytes:
    """All bytes from the current position to the end. Raises ``UnsafePath`` (path.too_large) past ``limit`` bytes."""
    chunks: list[bytes] = []
    left = limit + 1
    while left > 0:
        chunk = os.read(fd, min(CHUNK, left))
        if not chunk:
            return b"".join(chunks)
        left -= len(chunk)
        chunks.append(chunk)
    raise too_large(limit)


def decode(data: bytes, encoding: str) -> str:
    """Strict decoding. Raises ``UnsafePath`` (path.not_text)."""
    try:
        return data.decode(encoding)
    except UnicodeError:
        raise not_text() from None


class _Opened:
    """What the opened file and the opened directory share: ``fd``, and closing early or with the call."""

    __slots__ = ("_close", "_descriptor", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._descriptor = Descriptor(fd)
        self._close: Callable[[], None] = own(self._descriptor.close)

    def fileno(self) -> int:
        """The descriptor's number, for libraries that take one; valid until ``close`` or the end of the call."""
        return self.fd

    def close(self) -> None:
        """Close now; idempotent. Otherwise it closes when the call ends."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


class OpenedDirectory(_Opened):
    """A directory held open; ``fd`` serves as the working directory of a command."""

    __slots__ = ()


class OpenedFile(_Opened):
    """A regular file held open for reading; ``facts`` are those of the opened file itself, not of a name."""

    __slots__ = ("_limit", "facts")

    def __init__(self, fd: int, facts: FileFacts, limit: int) -> None:
        super().__init__(fd)
        self.facts = facts
        self._limit = limit

    def read_sync(self, count: int) -> bytes:
        """At most ``count`` bytes (and ``max_read``) from where the last read ended; empty at the end."""
        with self._descriptor.use() as fd:
            return os.read(fd, max(0, min(count, self._limit)))

    def read_bytes_sync(self, limit: int | None = None) -> bytes:
        """The rest of the file. Raises ``UnsafePath`` (path.too_large) past ``limit`` bytes."""
        with self._descriptor.use() as fd:
            return read_bounded(fd, self._limit if limit is None else min(limit, self._limit))

    async def read(self, count: int) -> bytes:
        """See ``read_sync``."""
        return await in_thread(self.read_sync, count)

    async def read_bytes(self, limit: int | None = None) -> bytes:
        """See ``read_bytes_sync``."""
        return await in_thread(self.read_bytes_sync, limit)
