"""Removing and moving files beneath roots, under the same rules as writing them."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from typing import Final

from holdfast.errors import UnsafePath
from holdfast.safe.folder import Folder
from holdfast.safe.refusals import exists, not_found
from holdfast.safe.writing import existing, parent_of, require_writable

_NO_REPLACE: Final = 1  # RENAME_NOREPLACE, linux/fs.h
_MISSING: Final = frozenset({errno.ENOSYS, errno.EINVAL})  # no such call, or not on this file system


def remove(folder: Folder, parts: Sequence[str]) -> None:
    """Remove one regular file; durable on return. Raises ``UnsafePath``, also when there is none (path.not_found)."""
    require_writable(folder, parts, 0)
    with parent_of(folder, parts, make_parents=False) as parent:
        _require_file(folder, parent, parts[-1])
        os.unlink(parts[-1], dir_fd=parent)
        os.fsync(parent)


def move(source: tuple[Folder, Sequence[str]], target: tuple[Folder, Sequence[str]], *, make_parents: bool) -> None:
    """Give one regular file a new name that is not taken, also in another root; durable on return.

    Raises ``UnsafePath``: path.exists when the name is taken, path.other_disk when the roots share no file system.
    """
    for folder, parts in (source, target):
        require_writable(folder, parts, 0)
    (old_root, old), (new_root, new) = source, target
    with parent_of(old_root, old, make_parents=False) as here:
        _require_file(old_root, here, old[-1])
        with parent_of(new_root, new, make_parents) as there:
            try:
                rename_new(here, old[-1], there, new[-1])
            except FileExistsError:
                raise exists() from None
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                raise UnsafePath(
                    "the two places are on different disks; write the content there, then remove the file",
                    code="path.other_disk",
                ) from None
            os.fsync(there)
        os.fsync(here)


def _require_file(folder: Folder, parent: int, name: str) -> None:
    found = existing(parent, name)
    if found is None:
        raise not_found()
    folder.require_visible(found)


def rename_new(here: int, old: str, there: int, new: str) -> None:
    """Rename, never over something else. Raises ``OSError`` (``FileExistsError`` when ``new`` is taken).

    By renameat2 where it is (Linux, glibc >= 2.28); elsewhere a name that is taken in between would be replaced.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is not None:
        paths = (ctypes.c_char_p(os.fsencode(name)) for name in (old, new))
        from_path, to_path = paths
        if call(ctypes.c_int(here), from_path, ctypes.c_int(there), to_path, ctypes.c_uint(_NO_REPLACE)) == 0:
            return
        code = ctypes.get_errno()
        if code not in _MISSING:
            raise OSError(code, os.strerror(code))
    try:
        os.stat(new, dir_fd=there, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=here, dst_dir_fd=there)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
