"""The signals that a parent hears, as bytes in a pipe it can wait for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

from holdfast.supervisor.worker import TAKEN_OVER


class Alarm:
    """Of the main thread. Nothing is done in a handler: the interpreter writes the number, and a loop reads it."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def listen(self) -> None:
        """Take the signals over."""
        for number in TAKEN_OVER:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def fileno(self) -> int:
        """The descriptor, to wait on."""
        return self._read

    def heard(self) -> Iterator[int]:
        """The numbers that came since the last time."""
        with suppress(BlockingIOError):
            yield from os.read(self._read, 64)

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self._read)
        os.close(self._write)
