"""One connection to an HTTP server on this machine: sends any bytes, and reads answers without believing them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from holdfast_attack.link.httpanswer import ANY, ANYTHING, Answer, Wanted, read_answer
from holdfast_attack.link.httpreading import PIECE, Head, Wire
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Ear, Gone
from holdfast_attack.link.transcript import Transcript

if TYPE_CHECKING:
    from holdfast_attack.target.address import Address

NAMES: Final = {"localhost": ("127.0.0.1", "::1")}


@dataclass(slots=True)
class Tap:
    """Who is told of all that is sent and comes."""

    transcript: Transcript = field(default_factory=Transcript)
    ear: Ear | None = None

    def sent(self, data: bytes) -> None:
        """This was sent."""
        self.transcript.wrote(data)

    def came(self, data: bytes) -> None:
        """This came."""
        self.transcript.read(data)
        if self.ear is not None:
            self.ear("http", data)


class RawConnection:
    """Its methods are bounded by ``within`` seconds. Not to be read by two at the same time."""

    def __init__(self, sock: socket.socket, tap: Tap | None = None) -> None:
        self._sock = sock
        self._tap = tap or Tap()
        self._held = bytearray()
        self._over = False
        """The server has closed its side."""

    @classmethod
    async def to(cls, address: Address, within: float = 5.0, tap: Tap | None = None, source: str | None = None) -> Self:
        """Connect, from an address of this machine if one is given. Raises ``Gone`` when nobody listens there."""
        for host in NAMES.get(address.host, (address.host,)):
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                if source is not None:
                    sock.bind((source, 0))
                async with asyncio.timeout(within):
                    await asyncio.get_running_loop().sock_connect(sock, (host, address.port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except (OSError, TimeoutError):
                sock.close()
            except BaseException:  # cancelled: nobody else knows of the socket
                sock.close()
                raise
            else:
                return cls(sock, tap)
        raise Gone("the connection was refused: nobody listens there")

    async def send(self, data: bytes, within: float = 5.0) -> None:
        """Send bytes as they are. Raises ``Gone`` when it is closed, ``TimeoutError`` when the server does not read."""
        self._tap.sent(data)
        try:
            async with asyncio.timeout(within):
                await asyncio.get_running_loop().sock_sendall(self._sock, data)
        except TimeoutError:
            raise
        except (OSError, ValueError):
            raise Gone("the connection was closed while it was written to") from None

    def finish(self) -> None:
        """Nothing more is sent: the server reads the end, and may still answer."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    async def read(self, most: int, within: float = 5.0) -> bytes:
        """What has come, at most so many bytes; none when the server has closed. Raises ``TimeoutError``."""
        async with asyncio.timeout(within):
            return await self.some(most)

    async def reply(self, within: float = 5.0, *, to: Any = ANY) -> Reply:
        """The next answer. Raises ``Gone`` when the connection is closed before one has begun."""
        began = time.monotonic()
        answer = await self.answer(within, Wanted(to))
        if answer.head is None and answer.cut:
            raise Gone("the connection was closed without an answer")
        return answer.reply(time.monotonic() - began)

    async def answer(self, within: float = 5.0, wanted: Wanted = ANYTHING) -> Answer:
        """The next answer, as much of it as came in time."""
        answer = Answer()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                try:
                    await read_answer(self, answer, wanted)
                except Gone:
                    answer.cut = True
        return answer

    async def exchange(self, data: bytes, within: float = 5.0, wanted: Wanted = ANYTHING) -> Answer:
        """Send, and read at the same time: a server may refuse what it has not read to its end."""
        sending = asyncio.create_task(self._sent(data, within))
        try:
            return await self.answer(within, wanted)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def head(self, within: float = 5.0) -> Head | None:
        """The head of the next answer alone; None when none came. What follows is left to ``read``."""
        with contextlib.suppress(TimeoutError, Gone):
            async with asyncio.timeout(within):
                return await Wire(self).head()
        return None

    async def closed(self, within: float = 5.0) -> bool:
        """Whether the server closes its side in time; what it still says is dropped."""
        try:
            async with asyncio.timeout(within):
                self._held.clear()
                while await self.some(PIECE):
                    pass
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """End it as clients do."""
        self._sock.close()

    def abort(self) -> None:
        """End it with a reset, as a client that dies or loses its network."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    async def some(self, most: int) -> bytes:
        """See ``Source``."""
        if not self._held:
            await self._fill()
        piece = bytes(self._held[:most])
        del self._held[:most]
        return piece

    async def line(self, most: int) -> bytes:
        """See ``Source``."""
        looked = 0
        while (end := self._held.find(b"\n", looked)) < 0:
            looked = len(self._held)
            if looked > most:
                raise Gone("a line of its answer has no end")
            await self._fill()
            if len(self._held) == looked:
                raise Gone("the connection was closed")
        line = bytes(self._held[: end + 1])
        del self._held[: end + 1]
        return line

    async def _fill(self) -> None:
        if self._over:
            return
        try:
            data = await asyncio.get_running_loop().sock_recv(self._sock, PIECE)
        except (OSError, ValueError):
            data = b""
        self._over = not data
        self._tap.came(data)
        self._held += data

    async def _sent(self, data: bytes, within: float) -> None:
        with contextlib.suppress(Gone, TimeoutError):  # what it answers, or that it closes, is seen by the reader
            await self.send(data, within)
