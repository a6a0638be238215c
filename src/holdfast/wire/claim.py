"""Takes file descriptors 0 and 1 for the protocol, so that a print or a child's output cannot pollute it."""

from __future__ import annotations

import os
import sys
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
    if sys.stdout is not None:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
    try:
        taken = Claim(_private(0), _private(1))
    except OSError:
        raise ConfigurationError("a stdio server needs open standard input and output") from None
    nothing = os.open(os.devnull, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2 if _is_open(2) else 0, 1)
    return taken


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
