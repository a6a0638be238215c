"""What went over the wire since a case began: the bytes that show a finding again."""

from __future__ import annotations

HEAD = 24_576
"""Bytes of the beginning that are kept, each way."""
TAIL = 8_192
"""And of the end."""


class Excerpt:
    """The first and the last bytes of a stream, and how many lie between."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """More of it."""
        self.total += len(data)
        room = HEAD - len(self._head)
        self._head += data[:room]
        if len(data) > room:
            self._tail += data[max(room, len(data) - TAIL) :]
            del self._tail[:-TAIL]

    def __bytes__(self) -> bytes:
        left_out = self.total - len(self._head) - len(self._tail)
        between = f"\n[... {left_out:,} bytes ...]\n".encode() if left_out else b""
        return bytes(self._head) + between + bytes(self._tail)


class Transcript:
    """Both ways, since the case began."""

    def __init__(self) -> None:
        self._sent, self._got = Excerpt(), Excerpt()

    def restart(self) -> None:
        """A new case begins."""
        self._sent, self._got = Excerpt(), Excerpt()

    def wrote(self, data: bytes) -> None:
        """The client sent this."""
        self._sent.add(data)

    def read(self, data: bytes) -> None:
        """The server sent this."""
        self._got.add(data)

    @property
    def sent(self) -> bytes:
        """What the client sent, cut in the middle when it is long."""
        return bytes(self._sent)

    @property
    def got(self) -> bytes:
        """What the server sent, cut in the middle when it is long."""
        return bytes(self._got)
