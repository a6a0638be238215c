"""Memory that outlives a worker: a file in memory with one page of words, a table of requests, and two rings.

Everything that decides what is true is one aligned word of eight bytes, stored at once: a worker may be killed between
any two stores, and the next one must find either what was before or what is after. Pages are taken when they are
touched, so the large areas cost nothing until they are used.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

PAGE: Final = 4_096
MIB: Final = 1024 * 1024
MAGIC: Final = 0x686F6C6466617374
"""Eight letters, so that nothing else is taken for this memory."""
SLOT_WORDS: Final = 8
NOTE: Final = MIB
"""Bytes of each of the two copies of the note."""
HELD: Final = 64
"""Slots beyond those for requests under way, for some that are answered and not written yet."""
KEPT: Final = MIB
"""Bytes at the start of an area whose pages stay when it is empty; what lies beyond goes back to the system."""


# Which word of the first page means what. Plain numbers: they are looked up a dozen times in every call.
MAGIC_AT: Final = 0
SLOTS: Final = 1
STRIDE: Final = 2
IN_SIZE: Final = 3
OUT_SIZE: Final = 4
BEAT: Final = 5
"""Nanoseconds of the system's monotonic clock when the worker's loop last turned."""
ENDED: Final = 6
"""One more than the exit status of a worker that has ended as it should."""
IN_TAIL: Final = 7
IN_HEAD: Final = 8
OUT_MOVED: Final = 9
OUT_TARGET: Final = 10
OUT_COMMITTED: Final = 11
ORDER: Final = 12
NOTE_WHICH: Final = 13
NOTE_LENGTHS: Final = (14, 15)
IN_BEGUN: Final = 16
"""How far the input was given out: somebody had begun with what stands before it."""
IN_DUE: Final = 17
"""How far the input is dealt with once the output is committed up to ``IN_PLACE``."""
IN_PLACE: Final = 18
STANDING: Final = 40
"""The mark of the tool in whose call the worker's loop stands; 0 when it turns, or nobody could look."""
STOPPING: Final = 41
"""1 once the supervisor was asked to end: then a signal to the worker is its own, and meant for all of it."""


def possible(ends: Iterable[int]) -> str | None:
    """Why a server with these ends cannot be supervised; empty when nobody would mind, ``None`` when it can be."""
    if not (sys.platform == "linux" and hasattr(os, "memfd_create") and hasattr(os, "splice")):
        return "this system has no files in memory, or cannot splice"
    if not all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in (os.fstat(end).st_mode for end in ends)):
        return ""  # a terminal or a file: whoever sits there will notice a restart anyway
    return None


class Memory:
    """One mapping of it. ``create`` makes the file; forked processes share the mapping itself."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.map = mmap.mmap(fd, size)
        self.map.madvise(mmap.MADV_DONTDUMP)  # what callers have sent is in no core file
        self.bytes = memoryview(self.map)
        self.words = self.bytes[:PAGE].cast("Q")
        word = self.words
        self._table = _up(PAGE + int(word[SLOTS]) * SLOT_WORDS * 8)
        self.table = self.bytes[PAGE : self._table].cast("Q")
        self.incoming = self._table + 2 * NOTE
        self.outgoing = self.incoming + int(word[IN_SIZE])
        self.requests = self.outgoing + int(word[OUT_SIZE])

    @classmethod
    def create(cls, *, slots: int = 1_024 + HELD, message: int = 16 * MIB, answer: int = 64 * MIB) -> Memory:
        """For ``slots`` requests under way of at most ``message`` bytes each, and answers of ``answer`` bytes.

        Addresses are all that this takes: 17 GB of them. Raises ``OSError`` where there are not as many.
        """
        stride, incoming = _up(message), _up(4 * message)
        outgoing = _up(4 * answer)
        size = _up(PAGE + slots * SLOT_WORDS * 8) + 2 * NOTE + incoming + outgoing + slots * stride
        fd = os.memfd_create("holdfast", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            with mmap.mmap(fd, PAGE) as first:
                words = memoryview(first).cast("Q")
                given = {SLOTS: slots, STRIDE: stride, IN_SIZE: incoming, OUT_SIZE: outgoing}
                for name, value in (given | {MAGIC_AT: MAGIC}).items():
                    words[name] = value
                words.release()
            return cls(fd, size)
        except BaseException:  # whatever it is, nobody else would close it
            os.close(fd)
            raise

    def release(self, start: int, end: int) -> None:
        """Give whole pages between two places back to the system; they read as zeros afterwards."""
        start, end = _up(start), end // PAGE * PAGE
        if end > start:
            with suppress(OSError):  # then they stay: only the room is lost
                self.map.madvise(mmap.MADV_REMOVE, start, end - start)

    def note(self) -> bytes:
        """What ``keep`` kept last."""
        which = self.words[NOTE_WHICH]
        start = self._table + which * NOTE
        return bytes(self.bytes[start : start + self.words[NOTE_LENGTHS[which]]])

    def keep(self, note: bytes) -> bool:
        """Keep a note of at most ``NOTE`` bytes in place of the last: whole, or not at all. ``False``: too long."""
        if len(note) > NOTE:
            return False
        other = 1 - self.words[NOTE_WHICH]
        start = self._table + other * NOTE
        self.bytes[start : start + len(note)] = note
        self.words[NOTE_LENGTHS[other]] = len(note)
        self.words[NOTE_WHICH] = other
        return True


def _up(size: int) -> int:
    return -(-size // PAGE) * PAGE
