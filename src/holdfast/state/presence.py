"""Who still lives: each process holds a lock on a file of its own, which the system lets go of when it dies."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = "alive"
_NAME: Final = re.compile(r"[0-9a-f]{16}")
MAX_SWEPT: Final = 1_000
"""Files of the dead that one start removes at most."""


class Presence:
    """This process among those that share a state folder. A lock says more than a pid, which is used again, and means
    nothing in another container; it ends with the process, however that ends.

    ``folder`` None: nobody else can see the state, so nobody else lives. Raises ``OSError`` when the disk refuses.
    """

    def __init__(self, folder: Path | None) -> None:
        self.name = secrets.token_hex(8)
        self._folder = None if folder is None else folder / FOLDER
        self._fd: int | None = None
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._sweep(self._folder)
            self._fd = _held(self._folder, self.name)

    def lives(self, name: str) -> bool:
        """Whether the process of that name still runs. Looks at the disk."""
        if name == self.name:
            return True
        if self._folder is None or _NAME.fullmatch(name) is None:
            return False
        return _is_locked(self._folder / name)

    def close(self) -> None:
        """Leave. Idempotent."""
        if self._fd is not None and self._folder is not None:
            with contextlib.suppress(OSError):
                (self._folder / self.name).unlink()
            os.close(self._fd)
            self._fd = None

    def _sweep(self, folder: Path) -> None:
        for number, each in enumerate(folder.iterdir()):
            if number >= MAX_SWEPT:
                break
            if _NAME.fullmatch(each.name) and not _is_locked(each):
                with contextlib.suppress(OSError):
                    each.unlink()


def _held(folder: Path, name: str) -> int:
    """Make and lock the file; again when another start took it for that of a dead process between the two."""
    while True:
        fd = os.open(folder / name, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            if _lock(fd) and os.stat(folder / name).st_ino == os.fstat(fd).st_ino:
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)


def _is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    except OSError:  # it cannot be known: better to take it for alive than to do its work twice
        return True
    try:
        return not _lock(fd)
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        if sys.platform == "win32":  # pragma: no cover - Windows
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
