"""A hidden directory in which new files are put together, and out of which they come all at once or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from holdfast.safe.names import RESERVED
from holdfast.safe.renaming import rename_new
from holdfast.safe.resolve import COMMON, READ_DIRECTORY, Walker

SUFFIX: Final = ".new"
_PRIVATE: Final = 0o700


class Staging:
    """A new directory beneath the open directory ``parent``. Use as a context: what was not published is removed.

    Raises ``OSError``.
    """

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._name = f"{RESERVED}{secrets.token_hex(8)}{SUFFIX}"
        os.mkdir(self._name, _PRIVATE, dir_fd=parent)
        self._fd = Walker().open(parent, (self._name,), READ_DIRECTORY)
        self._made: set[tuple[str, ...]] = {()}

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        discard(self._parent, self._name)

    def directory(self, parts: Sequence[str]) -> None:
        """Make a directory and those above it."""
        for end in range(1, len(parts) + 1):
            path = tuple(parts[:end])
            if path not in self._made:
                above = self._open(path[:-1])
                try:
                    os.mkdir(path[-1], dir_fd=above)  # the umask takes its share
                finally:
                    os.close(above)
                self._made.add(path)

    def file(self, parts: Sequence[str], executable: bool) -> int:
        """A descriptor to write a new file through; the caller owns it."""
        self.directory(parts[:-1])
        above = self._open(parts[:-1])
        try:
            mode = 0o777 if executable else 0o666  # less the umask; set-user-id and its like never
            return os.open(parts[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL | COMMON, mode, dir_fd=above)
        finally:
            os.close(above)

    def _open(self, parts: Sequence[str]) -> int:
        return Walker().open(self._fd, parts, READ_DIRECTORY)

    def publish(self) -> None:
        """Move everything out into the parent, never over anything there; should one name be taken, none is moved.

        Raises ``FileExistsError``.
        """
        moved: list[str] = []
        try:
            for name in sorted(os.listdir(self._fd)):
                rename_new(self._fd, name, self._parent, name)
                moved.append(name)
        except BaseException:  # whatever ended it, what was moved goes back and is removed with the rest
            for name in moved:
                with suppress(OSError):
                    rename_new(self._parent, name, self._fd, name)
            raise
        os.fsync(self._parent)


def discard(parent: int, name: str) -> None:
    """Remove a directory with all that is in it, following no link; what cannot be removed stays, for the sweep."""
    from shutil import rmtree  # loads three decompressors; needed by few servers

    rmtree(name, ignore_errors=True, dir_fd=parent)
