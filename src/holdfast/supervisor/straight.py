"""The short way of an answer: nothing else is on its way, and with it all that was given out is dealt with.

What ``Incoming.due``, the commit, ``Outgoing.move`` and ``Incoming.done`` do one after the other, in one function: this
is what a call that does not wait pays for outliving its worker, and each further frame shows in it.
"""

from __future__ import annotations

import os
from typing import Final

from holdfast.supervisor.incoming import CHUNK, Incoming
from holdfast.supervisor.memory import (
    IN_BEGUN,
    IN_DUE,
    IN_PLACE,
    IN_SIZE,
    IN_TAIL,
    KEPT,
    OUT_COMMITTED,
    OUT_MOVED,
    OUT_TARGET,
    Memory,
)
from holdfast.supervisor.outgoing import FLAGS, Channel

_ZEROS: Final = bytes(CHUNK)


class Straight:
    """From a worker to the client's end, ``sink``."""

    def __init__(self, memory: Memory, channel: Channel, incoming: Incoming, sink: int) -> None:
        self._map = memory.map
        self._words = memory.words
        self._incoming = incoming
        self._start = memory.incoming
        self._size = int(memory.words[IN_SIZE])
        self._channel = channel
        self._into, self._from, self._sink = channel.sink, channel.source, sink
        self.room = channel.room
        """The most bytes that may be sent."""

    def send(self, data: bytes) -> int | None:
        """Commit ``data`` by having it in our own pipe, and hand it on: how much of it the client has not taken yet.

        To be called when nothing else is on its way. ``None``: it is not committed, as the kernel had no memory for it.
        Raises ``OSError`` when the client is gone.
        """
        words, count = self._words, len(data)
        due = words[IN_BEGUN]
        place = words[OUT_MOVED] + count
        words[IN_PLACE] = place  # see ``Incoming.due``
        words[IN_DUE] = due
        words[OUT_TARGET] = place
        put = os.write(self._into, data)
        if put != count:
            self._take_back(put)
            return None
        words[OUT_MOVED] = place  # the first: moved counts as committed
        words[OUT_COMMITTED] = place
        try:
            left = count - os.splice(self._from, self._sink, count, None, None, FLAGS)
        except BlockingIOError:
            left = count
        tail = words[IN_TAIL]
        size, at = due - tail, tail % self._size
        if size > CHUNK or at + size >= KEPT:
            self._incoming.done()
        else:
            at += self._start
            self._map[at : at + size] = _ZEROS[:size]
            words[IN_TAIL] = due
        return left

    def _take_back(self, put: int) -> None:
        """Nothing of it has left: take it out of our own pipe again."""
        if put:
            os.read(self._from, put)
        self._words[OUT_TARGET] = self._words[OUT_MOVED]
