"""Takes file descriptors 0 and 1 for the protocol, so that a print or a child's output cannot pollute it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from holdfast.errors import ConfigurationError


@dataclass(slots=True)
class Claim:
    """Private duplicates of the client's pipe ends. While claimed, fd 0 reads nothing and fd 1 writes to stderr."""

    input: int
    output: int
    released: bool = False

    def release(self) -> None:
        """Put the descriptors back where they were; idempotent."""
        if not self.released:
            self.released = True
            if sys.stdout is not None:
                with suppress(OSError, ValueError):
                    sys.stdout.flush()  # what a tool has printed belongs to stderr, not to the client
            os.dup2(self.input, 0)
            os.dup2(self.output, 1)
            os.close(self.input)
            os.close(self.output)


def claim() -> Claim:
    """Divert fd 0 and 1. Raises ``ConfigurationError`` when one of them is closed."""
    if not (_is_open(0) and _is_open(1)):
        raise ConfigurationError("a stdio server needs open standard input and output")
    if sys.stdout is not None:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
    taken = Claim(_private(0), _private(1))
    nothing = os.open(os.devnull, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    os.dup2(nothing, 0)
    os.close(nothing)
    fill_standard()
    os.dup2(2, 1)
    return taken


def fill_standard(more: Iterable[int] = ()) -> None:
    """Put the null device in place of a closed descriptor 2, and of ``more``.

    Else the next file that is opened, say the audit log, takes the number, and whatever is printed lands in it.
    """
    for fd in (*more, 2):
        if not _is_open(fd):
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != fd:
                os.dup2(nothing, fd)
                os.close(nothing)


def _private(fd: int) -> int:
    """A duplicate above the standard descriptors, which children do not inherit."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
