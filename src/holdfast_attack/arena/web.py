"""A web server on the loopback addresses that keeps every request: no tool for the public web may reach it."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

HOSTS = ("127.0.0.1", "::1")
HITS = 1_000
"""Requests that are kept; later ones are not."""
HEAD = 16_384
BODY = 65_536
FIRST = 2.0
"""Seconds in which a request must have come: who speaks another protocol may wait for a word, and gets none."""
PATIENCE = 10.0
"""Seconds in which an answer must have been taken."""
LONGEST = 120.0
"""Seconds after which /slow and /big end by themselves."""
BIG = 512 * 2**20
BOMB = 2**30
"""Bytes that /bomb is when it is unpacked; packed it is a thousandth of that."""
_PIECE = 16 * 2**20
PAGE = (
    b"<!doctype html><html><head><title>A page</title></head><body><h1>A page of the attack arena</h1>"
    b"<p>hello from the attack arena</p></body></html>"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One request as it came, cut when long. ``method`` is empty when it was no HTTP."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    raw: bytes = b""


@dataclass(slots=True)
class WebCanary:
    """``async with`` it; entered more than once it serves until it was left as often.

    ``port`` 0: any that is free. ``extra``: further loopback addresses to listen on.
    """

    port: int = 0
    extra: tuple[str, ...] = ()
    hits: list[Hit] = field(default_factory=list)
    reached: int = 0
    """Connections, whatever came over them."""
    listens_on: tuple[str, ...] = ()
    _servers: list[asyncio.Server] = field(default_factory=list)
    _entered: int = 0
    _talking: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._entered += 1
        if self._entered == 1:
            await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered -= 1
        if self._entered == 0:
            await self._stop()

    @property
    def serving(self) -> bool:
        """Whether it answers now."""
        return bool(self._servers)

    def url(self, path: str = "/page", host: str = "127.0.0.1") -> str:
        """An address at which it answers; ``host`` is written as given."""
        return f"http://{host}:{self.port}{path}"

    async def _listen(self) -> None:
        bound = []
        for host in (*HOSTS, *self.extra):
            with suppress(OSError):  # a machine without IPv6, or the port is taken there
                server = await asyncio.start_server(self._meet, host, self.port, limit=HEAD)
                self.port = self.port or server.sockets[0].getsockname()[1]
                self._servers.append(server)
                bound.append(host)
        if HOSTS[0] not in bound:
            await self._stop()
            raise OSError(f"port {self.port} of 127.0.0.1 is taken")
        self.listens_on = tuple(bound)

    async def _stop(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        talking = tuple(self._talking)
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        for server in servers:
            await server.wait_closed()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        task = asyncio.current_task()
        if task is not None:
            self._talking.add(task)
            task.add_done_callback(self._talking.discard)
        try:
            async with asyncio.timeout(LONGEST):
                await self._talk(reader, writer)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.CancelledError):
            return  # the client went away or does not read, or the canary goes; nobody awaits this task's result
        finally:
            writer.transport.abort()  # what is not taken by now is thrown away: closing would wait for the client

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _head(reader)
        hit = _parsed(head)
        with suppress(TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(1.0):
                wanted = min(BODY, int(hit.headers.get("content-length", "0")))
                hit = Hit(hit.method, hit.path, hit.headers, await reader.readexactly(wanted), head)
        if len(self.hits) < HITS:
            self.hits.append(hit)
        await _answer(hit, writer)


def free_port() -> int:
    """A port that nobody listens on, below those that systems give to outgoing connections (32768 and up on Linux)."""
    source = random.SystemRandom()
    for _ in range(100):
        port = source.randrange(20_000, 30_000)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            try:
                trial.bind((HOSTS[0], port))
            except OSError:
                continue
            return port
    raise OSError("no port of 127.0.0.1 is free")


async def _head(reader: asyncio.StreamReader) -> bytes:
    """What came up to the empty line; less of it when that does not come in time or is not HTTP."""
    data = b""
    with suppress(TimeoutError, ValueError):  # too slow, or a line that is longer than HEAD
        async with asyncio.timeout(FIRST):
            while b"\r\n\r\n" not in data and len(data) < HEAD:
                more = await reader.readline()
                data += more
                if not more or not _like_http(data):
                    break
    return data


def _like_http(data: bytes) -> bool:
    return data.split(b" ", 1)[0].isalpha()


def _parsed(head: bytes) -> Hit:
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        return Hit("", "", {}, raw=head)
    pairs = (line.partition(":") for line in lines[1:] if ":" in line)
    return Hit(words[0], words[1], {name.strip().lower(): value.strip() for name, _, value in pairs}, raw=head)


async def _answer(hit: Hit, writer: asyncio.StreamWriter) -> None:
    where = urlsplit(hit.path).path
    if where == "/redirect":
        target = parse_qs(urlsplit(hit.path).query).get("to", ["/page"])[0]
        return await _send(writer, "302 Found", b"", f"Location: {_one_line(target)}\r\n")
    if where == "/loop":
        return await _send(writer, "302 Found", b"", "Location: /loop\r\n")
    if where == "/bomb":
        return await _send(writer, "200 OK", await asyncio.to_thread(_bomb), "Content-Encoding: gzip\r\n")
    if where == "/slow":
        return await _drip(writer)
    if where == "/big":
        return await _flood(writer)
    if where == "/robots.txt":
        return await _send(writer, "404 Not Found", b"")
    return await _send(writer, "200 OK", PAGE)


def _one_line(text: str) -> str:
    return "".join(text.split())


async def _send(writer: asyncio.StreamWriter, status: str, body: bytes, more: str = "") -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}"
    writer.write(head.encode("latin-1", "replace") + b"\r\n" + body)
    async with asyncio.timeout(PATIENCE):
        await writer.drain()


def _bomb() -> bytes:
    """One piece, packed so that it can be repeated, and the sum of all of them (RFC 1951, 1952). It takes a second."""
    piece = b"\0" * _PIECE
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    checked = 0
    for _ in range(BOMB // _PIECE):
        checked = zlib.crc32(piece, checked)
    head = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
    return head + packed * (BOMB // _PIECE) + packer.flush() + struct.pack("<II", checked, BOMB)


async def _drip(writer: asyncio.StreamWriter) -> None:
    """An answer that never ends and hardly moves: a deadline between two reads is never met."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"<p>")
        await writer.drain()
        await asyncio.sleep(0.2)


async def _flood(writer: asyncio.StreamWriter) -> None:
    """An answer of 512 MiB without a length."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
    chunk = b"<p>hello</p>\n" * 5_000
    for _ in range(BIG // len(chunk)):
        writer.write(chunk)
        await writer.drain()
