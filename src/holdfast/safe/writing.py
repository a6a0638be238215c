"""Atomic writes beneath a root: a reader, a crash or a full disk sees the old file or the new one, never a part."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from holdfast.errors import UnsafePath
from holdfast.safe.descriptors import read_bounded
from holdfast.safe.folder import Folder
from holdfast.safe.markers import require_unredacted
from holdfast.safe.names import MAX_COMPONENT, RESERVED, bad_name
from holdfast.safe.refusals import names_directory, read_only, refusing, require_regular, too_large
from holdfast.safe.resolve import COMMON, READ

MAX_BACKUPS: Final = 99
"""Most numbered backups; two digits keep the names short."""
_NEW_FILE: Final = 0o666  # the umask takes its share, as with any program
_PRIVATE: Final = 0o600  # until the old file's mode is put on
_NEW_DIRECTORY: Final = 0o777


def require_writable(folder: Folder, parts: Sequence[str], size: int) -> None:
    """Refuse a read-only root, the root itself, and more than ``max_write`` bytes. Raises ``UnsafePath``."""
    if folder.read_only:
        raise read_only()
    if not parts:
        raise names_directory()
    if size > folder.max_write:
        raise too_large(folder.max_write, "the new content")


@contextmanager
def parent_of(folder: Folder, parts: Sequence[str], make_parents: bool) -> Iterator[int]:
    """The open directory that holds (or will hold) the file; missing ones are made only when asked."""
    if make_parents:
        for end in range(1, len(parts)):
            _make_directory(folder, parts[:end])
    with folder.directory(parts[:-1]) as parent, refusing():
        yield parent


def _make_directory(folder: Folder, parts: Sequence[str]) -> None:
    *above, name = parts
    with folder.directory(above) as parent, refusing():
        try:
            os.mkdir(name, _NEW_DIRECTORY, dir_fd=parent)
        except FileExistsError:
            return  # whatever it is: the next open, through the resolver, judges it
        os.fsync(parent)


def existing(parent: int, name: str) -> os.stat_result | None:
    """The facts of the file to be replaced, ``None`` when there is none. Raises ``UnsafePath`` for all but regular
    files with one name; should one be swapped in afterwards, the rename replaces the name and never follows it."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    require_regular(found)
    return found


def write_atomically(  # noqa: PLR0913 - the author's choices, all of them optional
    folder: Folder,
    parts: Sequence[str],
    data: bytes,
    *,
    backups: int = 0,
    make_parents: bool = False,
    redacted: bool = False,
) -> int:
    """Put ``data`` in place of the file and return its size in bytes; durable when this returns.

    Refuses marks of redaction that the old file does not hold as often (path.redacted), unless ``redacted``.
    Keeps the old file's mode bits (and its owner, where permitted), not its extended attributes. ``backups`` keeps
    that many former versions as ``.NAME.~1~`` (the latest), ``.NAME.~2~``... Raises ``UnsafePath``, and ``ValueError``
    for a number of backups outside 0-99.
    """
    if not 0 <= backups <= MAX_BACKUPS:
        raise ValueError(f"backups is a number from 0 to {MAX_BACKUPS}")
    require_writable(folder, parts, len(data))
    name = parts[-1]
    with parent_of(folder, parts, make_parents) as parent:
        old = existing(parent, name)
        if old is not None:
            folder.require_visible(old)
        if not redacted:
            require_unredacted(data, lambda: _copy_of(parent, name, folder.max_read)[0] if old is not None else b"")
        with _temporary(parent, data, old) as temporary:
            if old is not None and backups:
                _keep_backup(folder, parent, name, backups)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        os.fsync(parent)
    return len(data)


@contextmanager
def _temporary(parent: int, data: bytes, like: os.stat_result | None) -> Iterator[str]:
    """A finished, synced file of a random name, which the block renames; removed if anything fails."""
    name = f"{RESERVED}{secrets.token_hex(8)}.tmp"
    mode = _NEW_FILE if like is None else _PRIVATE
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | COMMON, mode, dir_fd=parent)
    try:
        try:
            write_all(fd, data)
            if like is not None:
                _resemble(fd, like)
            os.fsync(fd)
        finally:
            os.close(fd)
        yield name
    except BaseException:  # no temporary file is left, whatever ended the write
        with suppress(OSError):
            os.unlink(name, dir_fd=parent)
        raise


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; a short write is followed by another, which says why. Raises ``OSError``."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _resemble(fd: int, old: os.stat_result) -> None:
    """Owner first, since changing it clears mode bits; set-user-id and its like are never carried over."""
    mine = os.fstat(fd)
    if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
        with suppress(PermissionError):
            os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode) & 0o777)


def _backup_name(name: str, number: int) -> str:
    return f".{name}.~{number}~"


def _keep_backup(folder: Folder, parent: int, name: str, backups: int) -> None:
    """Copy the old content aside and number the older copies up. A copy, since a second link would make the file
    unreadable to our own hard-link rule if we crashed before the rename."""
    if len(_backup_name(name, backups).encode()) > MAX_COMPONENT:
        raise bad_name("the name is too long to keep backups under; choose a shorter one")
    data, facts = _copy_of(parent, name, folder.max_write)
    with _temporary(parent, data, facts) as copy:
        for number in range(backups - 1, 0, -1):
            with suppress(FileNotFoundError):
                _rename(parent, _backup_name(name, number), _backup_name(name, number + 1))
        _rename(parent, copy, _backup_name(name, 1))


def _rename(parent: int, old: str, new: str) -> None:
    os.rename(old, new, src_dir_fd=parent, dst_dir_fd=parent)


def _copy_of(parent: int, name: str, limit: int) -> tuple[bytes, os.stat_result]:
    fd = os.open(name, READ, dir_fd=parent)
    try:
        facts = os.fstat(fd)
        require_regular(facts)
        return read_bounded(fd, limit), facts
    finally:
        os.close(fd)


def exists(folder: Folder, parts: Sequence[str]) -> bool:
    """Whether the file is there. Raises ``UnsafePath`` when something else has its name."""
    if not parts:
        raise names_directory()
    try:
        with folder.directory(parts[:-1]) as parent, refusing():
            return existing(parent, parts[-1]) is not None
    except UnsafePath as refusal:
        if refusal.code == "path.not_found":
            return False
        raise
