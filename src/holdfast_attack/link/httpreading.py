"""Reads the head and the body of an HTTP answer out of a stream of bytes, bounded whatever the server says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from holdfast_attack.link.session import Gone

LINE = 65_536
"""Bytes of one line of the head or of a chunk's size."""
FIELDS = 500
FLOOD = 512 * 2**20
"""Bytes of one answer after which the rest is not waited for."""
PIECE = 262_144
INTERIM = 10
"""Answers of the kind 1xx that may come before the answer itself."""
_BODILESS = (204, 304)


class Source(Protocol):
    """Bytes that come when they come."""

    async def line(self, most: int) -> bytes:
        """Up to and with a line feed. Raises ``Gone`` when it ends before, or is longer."""
        ...

    async def some(self, most: int) -> bytes:
        """At least one byte and at most so many; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """The status line and the fields, names in lower case; of a field that stands there again, all values."""

    status: int
    version: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def kind(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()


@dataclass(slots=True)
class Wire:
    """What is read of one answer: the head's bytes are kept, as they are evidence."""

    source: Source
    raw: bytearray = field(default_factory=bytearray)

    async def head(self) -> Head:
        """The head of the final answer. Raises ``Gone`` when what comes is no HTTP, or ends."""
        for _ in range(INTERIM):
            self.raw.clear()
            head = await self._head()
            if head.status >= 200 or head.status == 101:
                return head
        raise Gone("it sends interim answers without end")

    async def _head(self) -> Head:
        line = await self._line()
        while not line.strip():  # RFC 9112, section 2.2
            line = await self._line()
        version, _, rest = line.decode("latin-1").strip().partition(" ")
        status = rest[:3]
        if not version.startswith("HTTP/") or not (status.isascii() and status.isdigit()):
            raise Gone("what came is no HTTP answer")
        headers: dict[str, str] = {}
        for _ in range(FIELDS):
            line = (await self._line()).strip()
            if not line:
                return Head(int(status), version, headers, bytes(self.raw))
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        raise Gone("it sends header fields without end")

    async def _line(self) -> bytes:
        line = await self.source.line(LINE)
        self.raw += line
        return line

    async def body(self, head: Head, *, bodiless: bool = False) -> AsyncIterator[bytes]:
        """The body in pieces, without what frames it. Raises ``Gone`` when it ends early."""
        if bodiless or head.status in _BODILESS:
            return
        if head.chunked:
            pieces = self._chunks()
        elif "content-length" in head.headers:
            pieces = self._counted(head.headers["content-length"])
        else:
            pieces = self._to_the_end()
        got = 0
        async for piece in pieces:
            got += len(piece)
            if got > FLOOD:
                raise Gone("its answer has no end")
            yield piece

    async def _counted(self, said: str) -> AsyncIterator[bytes]:
        length = said.partition(",")[0].strip()
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise Gone("the length of its answer is no number")
        left = int(length)
        while left:
            piece = await self._some(left)
            left -= len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            text = (await self.source.line(LINE)).partition(b";")[0].strip()
            try:
                left = int(text, 16) if len(text) <= 16 else -1
            except ValueError:
                left = -1
            if left < 0:
                raise Gone("the size of a chunk of its answer is no number")
            if left == 0:
                break
            while left:
                piece = await self._some(left)
                left -= len(piece)
                yield piece
            await self.source.line(LINE)
        while (await self.source.line(LINE)).strip():
            pass  # trailers: bounded by the time of the whole answer

    async def _some(self, left: int) -> bytes:
        piece = await self.source.some(min(left, PIECE))
        if not piece:
            raise Gone("its answer ended early")
        return piece

    async def _to_the_end(self) -> AsyncIterator[bytes]:
        while piece := await self.source.some(PIECE):
            yield piece
