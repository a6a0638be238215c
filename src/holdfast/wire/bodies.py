"""The body of an HTTP request: whole, within its size and its time, and handed on to whoever reads it next."""

from __future__ import annotations

import asyncio

from holdfast.wire.httpanswers import CLOSE, Refused
from holdfast.wire.monitoring import Receive


class Bodies:
    """Takes bodies of at most ``largest`` bytes within ``patience`` seconds (uvicorn has no deadline for receiving)."""

    def __init__(self, largest: int, patience: float) -> None:
        self._largest = largest
        self._patience = patience

    async def take(self, receive: Receive, announced: int, *, arrived: bool) -> bytes:
        """The whole body; ``arrived`` says that nothing has to be waited for. Raises ``Refused``."""
        if announced > self._largest:
            raise self._too_large()
        if arrived:
            return await self._received(receive)
        try:
            async with asyncio.timeout(self._patience):
                return await self._received(receive)
        except TimeoutError:
            raise Refused(408, "the request did not arrive in time", (CLOSE,)) from None

    async def _received(self, receive: Receive) -> bytes:
        parts, size = [], 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise Refused(400, "the client left")
            part = event.get("body", b"")
            size += len(part)
            if size > self._largest:
                raise self._too_large()
            parts.append(part)
            if not event.get("more_body", False):
                return part if len(parts) == 1 else b"".join(parts)

    def _too_large(self) -> Refused:
        # not closed at once: what is still on its way would make the client's system throw this answer away
        return Refused(413, f"a request body is at most {self._largest} bytes")


def replay(body: bytes, receive: Receive) -> Receive:
    """``receive`` for an application that has yet to read the body."""
    sent = False

    async def again() -> dict[str, object]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
