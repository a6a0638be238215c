"""What a worker that crashes leaves behind: the stacks that C code writes while Python can do nothing any more."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Final

LONGEST: Final = 65_536
"""Bytes that are read of it; the thread that crashed stands first but for a few lines, and has 100 frames at most
(CPython, Python/traceback.c)."""


class LastWords:
    """A file in memory that every worker writes to and the next one reads. Nothing where there are no such files."""

    def __init__(self) -> None:
        self.fd = -1
        with suppress(AttributeError, OSError):
            self.fd = os.memfd_create("holdfast-last-words", os.MFD_CLOEXEC)
            fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)  # all workers share one offset; so it does not matter

    def take(self) -> str:
        """What was written; the file is empty then."""
        if self.fd < 0:
            return ""
        text = os.pread(self.fd, LONGEST, 0)
        if text:
            os.ftruncate(self.fd, 0)
        return text.decode("ascii", errors="replace")
