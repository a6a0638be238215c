"""What was read of the client's bytes and not dealt with yet: read by the kernel straight into shared memory.

A worker that is killed between the read and the note of how much was read leaves bytes that nobody knows of. They are
found all the same: memory ahead of what was read is kept zero, and no message holds a zero byte.
"""

from __future__ import annotations

import os
from typing import Final

from holdfast.supervisor.memory import IN_HEAD, IN_SIZE, IN_TAIL, KEPT, STRIDE, Memory

CHUNK: Final = 65_536
"""Bytes read at once; a pipe holds as many (pipe(7))."""
_ZEROS: Final = memoryview(bytes(CHUNK))


class Incoming:
    """A ring of bytes between ``IN_TAIL`` and ``IN_HEAD``, which only ever grow; both are places modulo the size."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._words = memory.words
        self._size = int(memory.words[IN_SIZE])
        self._start = memory.incoming

    @property
    def held(self) -> int:
        """Bytes that were read and not taken."""
        return int(self._words[IN_HEAD] - self._words[IN_TAIL])

    def read(self, fd: int) -> bytes | None:
        """Read once. ``b""`` at the end of the input; ``None`` when there is no room. Raises ``OSError``."""
        head = self._words[IN_HEAD]
        place = head % self._size
        room = min(CHUNK, self._size - head + self._words[IN_TAIL], self._size - place)
        if room <= 0:
            return None
        at = self._start + place
        view = self._memory.bytes[at : at + room]
        count = os.readv(fd, [view])
        data = bytes(view[:count])
        self._words[IN_HEAD] = head + count
        return data

    def take(self, count: int) -> None:
        """The first ``count`` bytes are dealt with: they are wiped, and will not be seen again."""
        words = self._words
        tail = words[IN_TAIL]
        end = tail + count
        words[IN_TAIL] = end
        place = tail % self._size
        if count <= CHUNK and place + count <= self._size:
            at = self._start + place
            self._memory.bytes[at : at + count] = _ZEROS[:count]
        else:
            self._wipe(tail, count)
        if end == words[IN_HEAD] and end % self._size >= KEPT:
            self._begin_anew(end)

    def recover(self) -> bytes:
        """What a worker that is gone had read and not taken; what it had half noted is put right."""
        tail, head = int(self._words[IN_TAIL]), int(self._words[IN_HEAD])
        head = max(head, tail)  # killed while both were moved to the start
        place = head % self._size
        ahead = bytes(self._memory.bytes[self._start + place : self._start + min(place + CHUNK, self._size)])
        if head - tail < self._size:
            head += len(ahead.rstrip(b"\0"))
        self._words[IN_HEAD] = head
        self._wipe_behind(tail)
        return self._bytes(tail, head - tail)

    def _bytes(self, start: int, count: int) -> bytes:
        place = start % self._size
        first = min(count, self._size - place)
        memory, at = self._memory.bytes, self._start
        return bytes(memory[at + place : at + place + first]) + bytes(memory[at : at + count - first])

    def _wipe(self, start: int, count: int) -> None:
        while count > 0:
            place = start % self._size
            part = min(count, CHUNK, self._size - place)
            self._memory.bytes[self._start + place : self._start + place + part] = _ZEROS[:part]
            start, count = start + part, count - part

    def _wipe_behind(self, tail: int) -> None:
        """Killed between taking and wiping: the largest line may still stand there."""
        longest = min(self._size - self.held, int(self._words[STRIDE]) + CHUNK)
        self._wipe(max(0, tail - longest), min(longest, tail))

    def _begin_anew(self, at: int) -> None:
        """Empty: go on at the start of the ring, so that the same few pages serve for ever."""
        again = -(-at // self._size) * self._size
        self._words[IN_TAIL] = again
        self._words[IN_HEAD] = again
        self._memory.release(self._start + KEPT, self._start + at - (again - self._size))
