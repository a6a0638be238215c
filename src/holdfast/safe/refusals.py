"""The one place where the kernel's errors and a file's facts become refusals that a caller may read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from holdfast.errors import UnsafePath

_NOT_FOUND: Final = ("path.not_found", "no such file in the workspace; list the directory to see what is there")
_SYMLINK: Final = (
    "path.symlink",
    "the path goes through a symbolic link, which is never followed; name the file itself",
)
_NOT_REGULAR: Final = ("path.not_regular", "that is not a regular file; list the directory to see what is there")
_NOT_DIRECTORY: Final = ("path.not_directory", "a part of the path is not a directory; list the directory above it")
_HARD_LINK: Final = (
    "path.hard_link",
    "the file has more than one name (hard links), which this workspace does not open",
)
_OUTSIDE: Final = ("path.outside", "the path leaves the workspace; send a path relative to the workspace")
_LONG: Final = ("path.name", "the path is not acceptable: a name in it is too long")
_NAME: Final = ("path.name", "the path is not acceptable: this file system cannot hold a name in it")
_DENIED: Final = ("path.denied", "the server has no permission to do that with this file; choose another file")
_BUSY: Final = ("path.busy", "the file is in use; try again later, or choose another name")
_EXISTS: Final = ("path.exists", "something of that name is there already; choose another name")
_READ_ONLY: Final = ("path.read_only", "the workspace is read-only; nothing in it can be written")
_DISK_FULL: Final = ("path.disk_full", "there is no space left to write the file; nothing was changed")

_REASONS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        errno.ENOENT: _NOT_FOUND,
        errno.ELOOP: _SYMLINK,
        errno.EMLINK: _SYMLINK,  # FreeBSD's answer to O_NOFOLLOW
        errno.EXDEV: _OUTSIDE,  # openat2(2): RESOLVE_BENEATH was violated
        errno.ENOTDIR: _NOT_DIRECTORY,
        errno.EISDIR: _NOT_REGULAR,
        errno.ENXIO: _NOT_REGULAR,  # a socket, or a FIFO without a reader
        errno.ENODEV: _NOT_REGULAR,
        errno.ENAMETOOLONG: _LONG,
        errno.EINVAL: _NAME,  # such as ? on FAT
        errno.EILSEQ: _NAME,  # not UTF-8 where the file system insists on it
        errno.EACCES: _DENIED,
        errno.EPERM: _DENIED,
        errno.EROFS: _READ_ONLY,
        errno.EBUSY: _BUSY,  # such as a mount point that would be renamed over
        errno.ETXTBSY: _BUSY,
        errno.ENOSPC: _DISK_FULL,
        errno.EDQUOT: _DISK_FULL,
        errno.EFBIG: _DISK_FULL,  # RLIMIT_FSIZE, or the file system's largest file
    }
)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn the operating system's errors that a caller can act on into ``UnsafePath``; others (EIO, EMFILE) pass."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0)
        if reason is None:
            raise
        code, message = reason
        raise UnsafePath(message, code=code) from error


def read_only() -> UnsafePath:
    """The refusal of any write beneath a read-only root."""
    return UnsafePath(_READ_ONLY[1], code=_READ_ONLY[0])


def not_found() -> UnsafePath:
    """The refusal of a name that nothing has."""
    return UnsafePath(_NOT_FOUND[1], code=_NOT_FOUND[0])


def exists() -> UnsafePath:
    """The refusal of a name that is taken."""
    return UnsafePath(_EXISTS[1], code=_EXISTS[0])


def redacted() -> UnsafePath:
    """The refusal of new content that holds a mark of something that was taken out on the way to the caller."""
    return UnsafePath(
        "the content holds a [redacted:...] mark, so what it stands for would be lost; "
        "change only the parts that you saw in full, and leave the rest of the file alone",
        code="path.redacted",
    )


def too_large(limit: int, what: str = "the file") -> UnsafePath:
    """The refusal of more than ``limit`` bytes."""
    return UnsafePath(f"{what} is larger than {limit} bytes, the most that is taken", code="path.too_large")


def not_text() -> UnsafePath:
    """The refusal of bytes that are not text in the encoding asked for, or text that cannot be encoded."""
    return UnsafePath(
        "the content is not text in the expected encoding (strict UTF-8 unless the tool says otherwise)",
        code="path.not_text",
    )


def names_directory() -> UnsafePath:
    """The refusal of the root itself where a file is wanted."""
    return UnsafePath("the path names a directory; send the path of a file", code="path.not_regular")


def require_regular(facts: os.stat_result) -> None:
    """Refuse all but regular files with one name. A hard link to an outside file passes every resolver (measured);
    only the link count catches it. Raises ``UnsafePath``."""
    if stat.S_ISLNK(facts.st_mode):
        reason = _SYMLINK
    elif not stat.S_ISREG(facts.st_mode):
        reason = _NOT_REGULAR
    elif facts.st_nlink > 1:
        reason = _HARD_LINK
    else:
        return
    raise UnsafePath(reason[1], code=reason[0])
