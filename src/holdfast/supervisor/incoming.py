"""What was read of the client's bytes and not dealt with yet: read by the kernel straight into shared memory.

A worker that is killed between the read and the note of how much was read leaves bytes that nobody knows of. They are
found all the same: memory ahead of what was read is kept zero, and no message holds a zero byte.

What was given out stays here until it is answered: a call that is answered before anything else is written needs no
other place. The commit of its answer frees it at the same moment, as the place that commits it was noted before.
"""

from __future__ import annotations

import os
from typing import Final

from holdfast.supervisor.memory import (
    IN_BEGUN,
    IN_DUE,
    IN_HEAD,
    IN_PLACE,
    IN_SIZE,
    IN_TAIL,
    KEPT,
    OUT_COMMITTED,
    Memory,
)

CHUNK: Final = 65_536
"""Bytes read at once; a pipe holds as many (pipe(7))."""
_ZEROS: Final = bytes(CHUNK)


class Incoming:
    """A ring of bytes between ``IN_TAIL`` and ``IN_HEAD``, which only ever grow; all are places modulo the size."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._map = memory.map
        self._bytes = memory.bytes
        self._words = memory.words
        self._size = int(memory.words[IN_SIZE])
        self._start = memory.incoming

    @property
    def held(self) -> int:
        """Bytes that were read and not dealt with."""
        return int(self._words[IN_HEAD] - self._words[IN_TAIL])

    @property
    def full(self) -> bool:
        """Whether nothing can be read."""
        return self.held >= self._size

    def read(self, fd: int) -> bytes | None:
        """Read once. ``b""`` at the end of the input; ``None`` when there is no room. Raises ``OSError``."""
        words, size = self._words, self._size
        head = words[IN_HEAD]
        place = head % size
        end = place + CHUNK
        if end > size or head + CHUNK - words[IN_TAIL] > size:
            end = place + min(size - place, size - head + words[IN_TAIL])
            if end <= place:
                return None
        at = self._start + place
        count = os.readv(fd, (self._bytes[at : self._start + end],))
        data = self._map[at : at + count]
        words[IN_HEAD] = head + count
        return data

    def given(self, count: int) -> None:
        """The next ``count`` bytes are given out: whoever finds them knows that somebody had begun with them."""
        self._words[IN_BEGUN] += count

    def due(self, place: int) -> None:
        """All that was given out is dealt with as soon as the output is committed up to ``place``."""
        words = self._words
        words[IN_PLACE] = place  # the first: what was due before is done, so nothing is due at this place yet
        words[IN_DUE] = words[IN_BEGUN]

    def done(self) -> None:
        """The output is committed: what was due is wiped, and will not be seen again."""
        words = self._words
        tail, due = words[IN_TAIL], words[IN_DUE]
        count, place = due - tail, tail % self._size
        if count <= 0:
            return  # nothing was
        if count <= CHUNK and place + count <= self._size:
            at = self._start + place
            self._map[at : at + count] = _ZEROS[:count]
        else:
            self._wipe(tail, count)
        words[IN_TAIL] = due  # the last: a worker that is killed before has the next one wipe all of it
        if due == words[IN_HEAD] and due % self._size >= KEPT:
            self._begin_anew(due)

    def recover(self) -> tuple[bytes, bytes]:
        """What a worker that is gone had given out and not dealt with, and what it had only read.

        To be called when the output has been recovered, as that says how far it was committed.
        """
        words = self._words
        tail = int(words[IN_TAIL])
        if words[IN_PLACE] <= words[OUT_COMMITTED] and (due := int(words[IN_DUE])) > tail:
            self._wipe(tail, due - tail)
            words[IN_TAIL] = tail = due
        words[IN_DUE] = tail  # nothing else is due, whatever is committed from now on
        head = max(int(words[IN_HEAD]), tail)  # killed while both were moved to the start
        place = head % self._size
        end = place + min(CHUNK, self._size - place, self._size - head + tail)  # what is held already is not ahead
        head += len(bytes(self._bytes[self._start + place : self._start + end]).rstrip(b"\0"))
        words[IN_HEAD] = head
        words[IN_BEGUN] = begun = min(max(int(words[IN_BEGUN]), tail), head)
        return self._between(tail, begun), self._between(begun, head)

    def _between(self, start: int, end: int) -> bytes:
        place, count = start % self._size, end - start
        first = min(count, self._size - place)
        memory, at = self._bytes, self._start
        return bytes(memory[at + place : at + place + first]) + bytes(memory[at : at + count - first])

    def _wipe(self, start: int, count: int) -> None:
        while count > 0:
            place = start % self._size
            part = min(count, CHUNK, self._size - place)
            self._map[self._start + place : self._start + place + part] = _ZEROS[:part]
            start, count = start + part, count - part

    def _begin_anew(self, at: int) -> None:
        """Empty: go on at the start of the ring, so that the same few pages serve for ever."""
        again = -(-at // self._size) * self._size
        words = self._words
        words[IN_TAIL] = again
        words[IN_HEAD] = again
        words[IN_BEGUN] = again
        self._memory.release(self._start + KEPT, self._start + at - (again - self._size))
