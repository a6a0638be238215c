"""Writes to a pipe or terminal only what it takes at once: whoever prints must never wait for whoever reads."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable

PATIENCE_MS = 50
"""Milliseconds that a reader who has kept up so far may be late; one who has not is not waited for."""


class PromptWriter:
    """Over a non-blocking description of its own, as that flag belongs to the description, which others share.

    What finds no room is dropped, counted through ``lost(bytes)``, and told where it would have stood once there is
    room again. Never raises and never waits for long.
    """

    def __init__(self, fd: int, lost: Callable[[int], None]) -> None:
        self._fd = fd
        self._lost = lost
        self._missing = 0
        self._stuck = False

    def write(self, data: bytes) -> None:
        """Write ``data``, as far as there is room."""
        if self._missing:
            note = b"\n[%d bytes that were printed here are lost: nobody read them in time]\n" % self._missing
            if self._taken(note) < len(note):
                self._drop(len(data))
                return
            self._missing = 0
        self._drop(len(data) - self._taken(data))

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._fd)

    def _drop(self, count: int) -> None:
        if count:
            self._missing += count
            self._lost(count)

    def _taken(self, data: bytes) -> int:
        rest = memoryview(data)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                    self._stuck = False
                except BlockingIOError:
                    if not self._room():
                        break
        except OSError:  # the reader has left (EPIPE)
            self._stuck = True
        return len(data) - len(rest)

    def _room(self) -> bool:
        if not self._stuck:
            poller = select.poll()
            poller.register(self._fd, select.POLLOUT)
            self._stuck = not poller.poll(PATIENCE_MS)
        return not self._stuck


def prompt_writer(fd: int, lost: Callable[[int], None]) -> PromptWriter | None:
    """A writer to what ``fd`` writes to, if that can hold a writer up and can be opened once more."""
    try:
        mode = os.fstat(fd).st_mode
        if not (stat.S_ISFIFO(mode) or os.isatty(fd)):
            return None  # a second description of a file would have a place in it of its own
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return PromptWriter(os.open(f"/dev/fd/{fd}", flags), lost)
    except (OSError, AttributeError):  # AttributeError: Windows
        return None
