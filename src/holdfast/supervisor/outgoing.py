"""What goes to the client: written to shared memory first, then moved on in such a way that no byte is lost or doubled.

A worker may be killed in the middle of a write, and nobody could tell whether its bytes went out. So they go through a
pipe of our own: ``splice`` moves them on inside the kernel, and each byte is in that pipe or with the client, never in
both. How many were put into it is told by what it holds, as none leaves before the words say that they were put there.

When nothing else is on its way, being in that pipe is all that the commit takes: the words say beforehand how much is
to be in it, and what it holds says whether it is.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from contextlib import suppress
from typing import Final

from holdfast.supervisor.memory import KEPT, MIB, OUT_COMMITTED, OUT_MOVED, OUT_SIZE, OUT_TARGET, Memory

_WANTED: Final = MIB
"""Bytes that the pipe is asked to hold: the most that anybody may ask for (pipe(7), pipe-max-size)."""

FLAGS: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Channel:
    """Our own pipe, held by the parent and every worker."""

    def __init__(self) -> None:
        self.source, self.sink = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with suppress(OSError):  # over the user's share: it holds what it holds
            fcntl.fcntl(self.sink, fcntl.F_SETPIPE_SZ, _WANTED)
        self.room: int = fcntl.fcntl(self.sink, fcntl.F_GETPIPE_SZ)

    @property
    def held(self) -> int:
        """Bytes in it."""
        count: int = struct.unpack("i", fcntl.ioctl(self.source, termios.FIONREAD, bytes(4)))[0]
        return count

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self.source)
        os.close(self.sink)


class Outgoing:
    """A ring of bytes between ``OUT_MOVED`` and ``OUT_COMMITTED``, and the pipe through which they leave."""

    def __init__(self, memory: Memory, channel: Channel) -> None:
        self._memory = memory
        self._words = memory.words
        self._size = int(memory.words[OUT_SIZE])
        self._start = memory.outgoing
        self._channel = channel
        self._inside = 0

    @property
    def waiting(self) -> int:
        """Bytes that are committed and have not left our own pipe."""
        return self._inside + int(self._words[OUT_COMMITTED] - self._words[OUT_MOVED])

    @property
    def room(self) -> int:
        """Bytes that can be committed at once."""
        return self._size - int(self._words[OUT_COMMITTED] - self._words[OUT_MOVED])

    @property
    def committed(self) -> int:
        """The place after the last byte that will go out whatever happens."""
        return self._words[OUT_COMMITTED]

    def put(self, data: bytes) -> int:
        """Copy ``data`` behind what is committed; returns the place that commits it. There must be room."""
        committed, count = self._words[OUT_COMMITTED], len(data)
        place = committed % self._size
        at = self._start + place
        if place + count <= self._size:
            self._memory.bytes[at : at + count] = data
        else:
            first = self._size - place
            self._memory.bytes[at : at + first] = data[:first]
            self._memory.bytes[self._start : self._start + count - first] = data[first:]
        return committed + count

    def commit(self, place: int) -> None:
        """What was put goes out from now on, whoever lives."""
        self._words[OUT_COMMITTED] = place

    def left(self, count: int) -> None:
        """The client has not taken the last ``count`` bytes that were sent straight on."""
        self._inside = count

    def move(self, sink: int) -> bool:
        """Move on what the client takes. ``True``: all is gone. Raises ``BrokenPipeError`` when the client is."""
        words, source = self._words, self._channel.source
        while True:
            if self._inside:
                try:
                    self._inside -= os.splice(source, sink, self._inside, flags=FLAGS)
                except BlockingIOError:
                    return False
            if not self._inside:
                moved = words[OUT_MOVED]
                if moved == words[OUT_COMMITTED]:
                    break
                self._fill()
        if moved % self._size >= KEPT:
            self._begin_anew(moved)
        return True

    def _fill(self) -> None:
        """Put the next bytes into our own, empty pipe."""
        words = self._words
        moved = words[OUT_MOVED]
        place = moved % self._size
        count = min(words[OUT_COMMITTED] - moved, self._channel.room, self._size - place)
        at = self._start + place
        words[OUT_TARGET] = moved + count
        self._inside = os.write(self._channel.sink, self._memory.bytes[at : at + count])
        words[OUT_TARGET] = words[OUT_MOVED] = moved + self._inside

    def recover(self) -> None:
        """Go on where a worker that is gone was cut off."""
        words = self._words
        self._inside = self._channel.held
        moved, target = int(words[OUT_MOVED]), int(words[OUT_TARGET])
        if target > max(moved, int(words[OUT_COMMITTED])):  # cut off while it sent something straight on
            if self._inside == target - moved:
                words[OUT_MOVED] = target
            else:
                self._discard()
        elif target != moved:  # cut off while it filled the pipe: what that holds is what was put
            words[OUT_TARGET] = moved + self._inside
            words[OUT_MOVED] = moved + self._inside
        if (
            words[OUT_COMMITTED] < words[OUT_MOVED]
        ):  # sent straight on; or cut off while all three were moved to the start
            words[OUT_COMMITTED] = words[OUT_MOVED]

    def _discard(self) -> None:
        """Take back what was put into the pipe in part: nothing of it has left."""
        if self._inside:
            os.read(self._channel.source, self._inside)
        self._inside = 0
        self._words[OUT_TARGET] = self._words[OUT_MOVED]

    def _begin_anew(self, at: int) -> None:
        """Empty: go on at the start of the ring, so that the same few pages serve for ever."""
        place = at % self._size
        again = at - place + self._size
        words = self._words
        words[OUT_MOVED] = again  # the first: what is moved and was never committed is nothing to send
        words[OUT_TARGET] = again
        words[OUT_COMMITTED] = again
        self._memory.release(self._start + KEPT, self._start + place)
