"""The client's side of one call, spoken without the SDK; hides which era the client speaks."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from holdfast.core.context import InputRequired, Level
from holdfast.wire.recognise import LEVELS, Envelope, offers


class Channel(Protocol):
    """The way back to the client, beside the answer."""

    level: str
    """The least level of log messages that a client of the handshake era wants."""

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification; waits while the client does not read."""
        ...

    async def request(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask the client and await its result. Raises ``ClientRefused`` when it answers with an error."""
        ...


class ClientRefused(Exception):
    """The client answered a question of the server's with an error."""


class DirectSession:
    """Implements ``core.context.Session`` over a ``Channel``."""

    __slots__ = ("_capabilities", "_channel", "_envelope", "closed", "era")

    def __init__(
        self,
        channel: Channel,
        era: Literal["handshake", "modern"],
        capabilities: Mapping[str, Any],
        envelope: Envelope,
    ) -> None:
        self.era: Literal["handshake", "modern"] = era
        self._channel = channel
        self._capabilities = capabilities
        self._envelope = envelope
        self.closed = False
        """Whether the call is answered: what an abandoned one still has to say is not sent."""

    def offers(self, capability: str) -> bool:
        """See ``Session.offers``."""
        return offers(self._capabilities, capability)

    async def ask(self, requests: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """See ``Session.ask``; later rounds of 2026-07-28 come with answers, and go through the SDK."""
        if self.era == "modern":
            raise InputRequired({key: _plain(request) for key, request in requests.items()}, {})
        # The SDK's types check what is asked and answered. They are loaded aside, since it takes a second, and through
        # the same door as in the relay: two threads that load parts of one package may see each other's halves.
        await asyncio.to_thread(importlib.import_module, "holdfast.wire.sdk")
        from holdfast.wire.session import asked

        return {key: await asked(self._send, request) for key, request in requests.items()}

    async def _send(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.closed:
            raise ClientRefused  # whoever could answer has been told that the call is over
        return await self._channel.request(method, params)

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """See ``Session.progress``."""
        token = self._envelope.progress
        if token is None or self.closed:
            return
        told = {"progressToken": token, "progress": done, "total": total, "message": message}
        await self._channel.notify(
            "notifications/progress", {key: value for key, value in told.items() if value is not None}
        )

    async def log(self, level: Level, data: Any, logger: str | None) -> None:
        """See ``Session.log``."""
        least = self._channel.level if self.era == "handshake" else self._envelope.level
        if least is None or self.closed or level not in LEVELS or LEVELS.index(level) < LEVELS.index(least):
            return
        told = {"level": level, "data": data} | ({} if logger is None else {"logger": logger})
        await self._channel.notify("notifications/message", told)

    async def close_stream(self) -> None:
        """See ``Session.close_stream``; a pipe has no streams."""


def _plain(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"method": request["method"], "params": dict(request["params"])}
