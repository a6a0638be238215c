"""One HTTP request from a connection: one spelling, one framing, bounded in size and in time."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from sound.errors import HttpRefused

LINE = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,2048}) HTTP/1\.([01])")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[ \t\x21-\x7e\x80-\xff]*"
                   rb"[\x21-\x7e\x80-\xff])?)?)[ \t]*")  # fmt: skip
CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,8})(?:;[\t -~]{0,128})?")
LENGTH = re.compile(r"[0-9]{1,12}")
ONCE = ("host", "content-length", "transfer-encoding", "content-type", "authorization", "origin", "mcp-session-id")
CHUNK = 65_536


class Gone(Exception):
    """The connection ended."""


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers, names in lower case."""

    method: str
    target: str
    minor: int
    headers: dict[str, str]

    @property
    def keeps(self) -> bool:
        """Whether another request may follow."""
        options = self.headers.get("connection", "").lower()
        return self.minor == 1 and "close" not in options


class Incoming:
    """What a client sends, with no more of it held than one request may have."""

    HEAD = 16_384  # bytes
    FIELDS = 64
    IDLE_SECONDS = 60.0
    HEAD_SECONDS = 10.0
    BODY_SECONDS = 10.0

    def __init__(self, reader: asyncio.StreamReader, body: int) -> None:
        self.reader = reader
        self.buffer = bytearray()
        self.body_limit = body

    async def more(self) -> None:
        """Hold a little more. Raises ``Gone``."""
        chunk = await self.reader.read(CHUNK)
        if not chunk:
            raise Gone
        self.buffer += chunk

    async def gone(self) -> None:
        """Return when the client has left; a request that it sent ahead waits."""
        try:
            while len(self.buffer) < CHUNK:
                await self.more()
            await asyncio.Event().wait()  # it is still there as far as anybody can see
        except (Gone, ConnectionError):
            return

    async def until(self, mark: bytes, limit: int, status: int) -> bytes:
        """What comes before a mark, which is taken too."""
        seen = 0
        while (at := self.buffer.find(mark, seen)) < 0 and len(self.buffer) <= limit:
            seen = max(0, len(self.buffer) - len(mark))
            await self.more()
        if at < 0 or at > limit:
            raise HttpRefused(status, "too long")
        return self.take(at + len(mark))[:at]

    def take(self, size: int) -> bytes:
        """The first bytes of what is held."""
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    async def exactly(self, size: int) -> bytes:
        """So many bytes."""
        while len(self.buffer) < size:
            await self.more()
        return self.take(size)

    async def head(self) -> Head:
        """Raises ``HttpRefused``, ``Gone``; a client that takes too long is gone."""
        try:
            async with asyncio.timeout(self.IDLE_SECONDS):
                while not self.buffer:
                    await self.more()
            async with asyncio.timeout(self.HEAD_SECONDS):
                raw = await self.until(b"\r\n\r\n", self.HEAD, 431)
        except TimeoutError:
            raise Gone from None
        return self.parsed(raw.split(b"\r\n"))

    def parsed(self, lines: list[bytes]) -> Head:
        """Each header has one form, and those that decide something are there once."""
        line = LINE.fullmatch(lines[0])
        if line is None:
            raise HttpRefused(400, "this is no request line")
        if len(lines) > self.FIELDS:
            raise HttpRefused(431, "too many headers")
        headers: dict[str, str] = {}
        for raw in lines[1:]:
            field = FIELD.fullmatch(raw)
            if field is None:
                raise HttpRefused(400, "this is no header")
            name, value = field[1].decode().lower(), field[2].decode("latin-1")
            headers[name] = self.repeated(name, headers[name], value) if name in headers else value
        return Head(line[1].decode(), line[2].decode(), int(line[3]), headers)

    def repeated(self, name: str, first: str, second: str) -> str:
        """What a header says that is there twice."""
        if name in ONCE or name.startswith("mcp-"):
            raise HttpRefused(400, "a header is there twice")
        return f"{first}, {second}"

    def framing(self, head: Head) -> int | None:
        """The length of the body; None when it comes in chunks. Two framings are none."""
        length, coding = head.headers.get("content-length"), head.headers.get("transfer-encoding")
        if coding is not None:
            if length is not None or coding != "chunked" or head.minor == 0:
                raise HttpRefused(400, "a body has one length")
            return None
        if length is None:
            return 0
        if not LENGTH.fullmatch(length):
            raise HttpRefused(400, "a length is a number")
        if int(length) > self.body_limit:
            raise HttpRefused(413, "the body is too large")
        return int(length)

    async def body(self, length: int | None) -> bytes:
        """The whole body."""
        try:
            async with asyncio.timeout(self.BODY_SECONDS):
                return await (self.chunked() if length is None else self.exactly(length))
        except TimeoutError:
            raise HttpRefused(408, "the body did not come in time") from None

    async def chunked(self) -> bytes:
        """Chunks until the last; trailers are dropped."""
        whole = bytearray()
        while size := self.chunk_size(await self.until(b"\r\n", 256, 400)):
            if len(whole) + size > self.body_limit:
                raise HttpRefused(413, "the body is too large")
            whole += await self.exactly(size)
            if await self.exactly(2) != b"\r\n":
                raise HttpRefused(400, "a chunk is longer than it says")
        for _ in range(self.FIELDS):
            if not await self.until(b"\r\n", self.HEAD, 431):
                return bytes(whole)
        raise HttpRefused(431, "too many trailers")

    def chunk_size(self, line: bytes) -> int:
        """Hexadecimal digits and nothing else (Python's ``int`` takes signs, underscores and spaces)."""
        found = CHUNK_LINE.fullmatch(line)
        if found is None:
            raise HttpRefused(400, "this is no chunk")
        return int(found[1], 16)
