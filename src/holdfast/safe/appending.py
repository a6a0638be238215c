"""Appending to a file in place: under a lock, and taken back whole when it cannot be finished."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from holdfast.errors import UnsafePath
from holdfast.safe.folder import Folder
from holdfast.safe.markers import MAX_MARK, require_unredacted
from holdfast.safe.refusals import require_regular, too_large
from holdfast.safe.resolve import COMMON, READ
from holdfast.safe.writing import parent_of, require_writable, write_all

LOCK_TRIES: Final = 100
LOCK_PAUSE: Final = 0.01
"""Seconds between two tries for the lock: one second in all, so that a stuck holder cannot hold our thread."""


def append(  # noqa: PLR0913 - the author's choices, all of them optional
    folder: Folder,
    parts: Sequence[str],
    data: bytes,
    *,
    make_parents: bool = False,
    redacted: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Add ``data`` to the end of the file, which is made when missing; returns the bytes added, durable by then.

    In place and not by a copy, so that two appends at once both last. A full disk leaves the old content; a kill
    within the write may leave a part of the new after it. Raises ``UnsafePath`` (path.busy while another process
    holds the file's lock; path.too_large when the file would outgrow ``max_write``; path.redacted for a mark of
    redaction, also one that is put together from the file's end and ``data``, unless ``redacted``).
    """
    require_writable(folder, parts, len(data))
    if not redacted:
        require_unredacted(data, bytes)  # before an empty file is made for it
    with parent_of(folder, parts, make_parents) as parent, _locked(parent, parts[-1], sleep) as fd:
        facts = os.fstat(fd)
        folder.require_visible(facts)
        if not redacted:
            end = _end_of(parent, parts[-1], facts)
            require_unredacted(end + data, lambda: end)
        before = facts.st_size
        if before + len(data) > folder.max_write:
            raise too_large(folder.max_write, "the file with the new content")
        try:
            write_all(fd, data)
            os.fsync(fd)
        except BaseException:  # what was begun is taken back, whatever ended it
            with suppress(OSError):
                os.ftruncate(fd, before)
            raise
        os.fsync(parent)
    return len(data)


def _end_of(parent: int, name: str, like: os.stat_result) -> bytes:
    """The last bytes of the file, as many as a mark has; none when it may not be read, which is no reason to refuse."""
    with suppress(OSError):
        fd = os.open(name, READ, dir_fd=parent)
        try:
            if os.path.samestat(os.fstat(fd), like):
                return os.pread(fd, MAX_MARK, max(0, like.st_size - MAX_MARK))
        finally:
            os.close(fd)
    return b""


@contextmanager
def _locked(parent: int, name: str, sleep: Callable[[float], None]) -> Iterator[int]:
    """The file, open for appending and locked; opened anew when a rename replaced it while we waited."""
    for _ in range(LOCK_TRIES):
        fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | COMMON, 0o666, dir_fd=parent)
        try:
            require_regular(os.fstat(fd))
            if _lock(fd):
                yield fd
                return
        finally:
            os.close(fd)
        sleep(LOCK_PAUSE)
    raise UnsafePath("the file is in use by another writer; try again", code="path.busy")


def _lock(fd: int) -> bool:
    """Whether the lock is ours and the file still has its name. Closing the descriptor unlocks."""
    import fcntl  # absent on Windows, where no Folder can be opened

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink == 1
