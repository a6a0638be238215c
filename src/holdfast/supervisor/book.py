"""What clients over HTTP have said of themselves, by session, in memory that outlives a worker.

A session is a row of words and two places for its text. The row says which place holds, so a text is there whole, or
not at all, wherever a worker is killed. Nobody writes here but the one worker that serves.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from holdfast.supervisor.memory import PAGE

SESSIONS: Final = 4_096
"""Sessions that outlive a worker; ``http.sessions`` is 1,000 by default. Each that is used takes 8 KiB or a little
more."""
TEXT: Final = 262_144
"""Bytes of what one session has said: a thousand subscriptions, or client information of any sensible size."""
HANDLE: Final = 16
"""Bytes of a session's handle (see ``wire.sdkhttp.HANDLE``)."""
NOW: Final = 0
"""In place of the time of the last use: a request is under way."""
_ROW: Final = 8
_STATE, _WHICH, _LENGTHS, _USED, _FIRST, _SECOND = 0, 1, 2, 4, 5, 6
_FREE, _TAKEN = 0, 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A session that a worker which is gone has served."""

    slot: int
    handle: bytes
    used: int
    """Nanoseconds of the system's monotonic clock when its last request ended; ``NOW`` when one was under way."""
    text: bytes


class Book:
    """One mapping of it. ``create`` makes the file; forked processes share the mapping itself."""

    def __init__(self, fd: int, sessions: int) -> None:
        self._table = -(-sessions * _ROW * 8 // PAGE) * PAGE
        self._map = mmap.mmap(fd, self._table + sessions * 2 * TEXT)
        self._map.madvise(mmap.MADV_DONTDUMP)  # handles are in no core file
        self._bytes = memoryview(self._map)
        self._rows = self._bytes[: self._table].cast("Q")
        self._sessions = sessions
        self._open = list(range(sessions - 1, -1, -1))

    @classmethod
    def create(cls, sessions: int = SESSIONS) -> Book:
        """For ``sessions`` sessions. Addresses are all that it takes at first. Raises ``OSError`` without as many."""
        fd = os.memfd_create("holdfast-sessions", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, -(-sessions * _ROW * 8 // PAGE) * PAGE + sessions * 2 * TEXT)
            return cls(fd, sessions)
        finally:
            os.close(fd)  # the mapping stays

    def recover(self) -> list[Entry]:
        """All sessions, and from now on room for others beside them: whoever begins to serve calls this first."""
        taken = [slot for slot in range(self._sessions) if self._rows[slot * _ROW + _STATE] == _TAKEN]
        self._open = sorted(set(range(self._sessions)).difference(taken), reverse=True)
        return [self._entry(slot) for slot in taken]

    def _entry(self, slot: int) -> Entry:
        rows, row = self._rows, slot * _ROW
        which = rows[row + _WHICH]
        at = self._table + (2 * slot + which) * TEXT
        handle = rows[row + _FIRST].to_bytes(8, "big") + rows[row + _SECOND].to_bytes(8, "big")
        return Entry(slot, handle, rows[row + _USED], bytes(self._bytes[at : at + rows[row + _LENGTHS + which]]))

    def open(self, handle: bytes, text: bytes) -> int | None:
        """A row for a new session of ``HANDLE`` bytes; ``None`` when there is none left, or the text is too long."""
        if not self._open or len(text) > TEXT:
            return None
        slot = self._open.pop()
        rows, row = self._rows, slot * _ROW
        rows[row + _FIRST] = int.from_bytes(handle[:8], "big")
        rows[row + _SECOND] = int.from_bytes(handle[8:], "big")
        rows[row + _USED] = NOW
        self.keep(slot, text)
        rows[row + _STATE] = _TAKEN
        return slot

    def keep(self, slot: int, text: bytes) -> bool:
        """Keep a text in place of the last: whole, or not at all. ``False``: it is longer than ``TEXT``."""
        if len(text) > TEXT:
            return False
        rows, row = self._rows, slot * _ROW
        other = 1 - rows[row + _WHICH]
        at = self._table + (2 * slot + other) * TEXT
        self._bytes[at : at + len(text)] = text
        rows[row + _LENGTHS + other] = len(text)
        rows[row + _WHICH] = other
        return True

    def used(self, slot: int, at: int) -> None:
        """A request of the session begins (``NOW``), or its last one ended at ``at`` (ns, monotonic)."""
        self._rows[slot * _ROW + _USED] = at

    def close(self, slot: int) -> None:
        """The session is over."""
        self._rows[slot * _ROW + _STATE] = _FREE
        at = self._table + 2 * slot * TEXT
        with suppress(OSError):  # then the pages stay until the row is used again
            self._map.madvise(mmap.MADV_REMOVE, at, 2 * TEXT)
        self._open.append(slot)
