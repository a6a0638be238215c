"""Answers for clients of HTTP/1.0, which know no chunked bodies: collected, and sent with their length."""

from __future__ import annotations

from typing import Any

from holdfast.wire.httpanswers import CLOSE
from holdfast.wire.monitoring import Send

MOST = 16 * 2**20
"""Bytes of an answer that are collected; some more than the most that one result may have by default with its news."""
TOO_LONG = b"this answer is too long for HTTP/1.0; use HTTP/1.1\n"


class Whole:
    """A ``send`` that passes on what has a length, and gives one to what has none (RFC 9112, section 6.1: no
    Transfer-Encoding for a request of HTTP/1.0, which the server below would put in)."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: dict[str, Any] | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._over = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            if any(name.lower() == b"content-length" for name, _ in message["headers"]):
                await self._send(message)
            else:
                self._start = dict(message)
        elif self._start is None:
            await self._send(message)
        elif not self._over:
            await self._collect(message)

    async def _collect(self, message: Any) -> None:
        part = message.get("body", b"")
        self._size += len(part)
        self._parts.append(part)
        if self._size > MOST:
            await self._say(505, TOO_LONG, (b"content-type", b"text/plain; charset=utf-8"), CLOSE)
        elif not message.get("more_body", False):
            start: Any = self._start
            await self._say(start["status"], b"".join(self._parts), *start["headers"])

    async def _say(self, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
        self._over = True
        self._parts.clear()
        length = (b"content-length", str(len(body)).encode())
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await self._send({"type": "http.response.body", "body": body})
