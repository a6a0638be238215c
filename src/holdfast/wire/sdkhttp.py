"""The SDK's streamable HTTP as an ASGI application, with a share of the sessions and events of its own for each."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import mcp_types as types
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from holdfast.core.principal import PRINCIPAL
from holdfast.wire.monitoring import reply

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server as LowLevelServer

    from holdfast.wire.eventstore import RecentEvents
    from holdfast.wire.publish import Shares


HANDLE: Final = 16
"""Bytes of a session's handle: 128 bits (CVE-2025-6515: one that can be predicted lets others in)."""
_TELLING: Final = ("mcp.server.streamable_http_manager", "mcp.server.streamable_http")
_HANDLES: Final = re.compile(r"[0-9a-f]{32}|(?<=session ID: ).*")


class Sessions(StreamableHTTPSessionManager):
    """Each session gets events of its own: the SDK gives all of them one store, where any could read the others'.

    Should the SDK come to admit sessions another way, they have no events, rather than shared ones.
    """

    def __init__(self, server: LowLevelServer[Any], events: RecentEvents, shares: Shares, **options: Any) -> None:
        super().__init__(server, **options)
        self._recent = events
        self._shares = shares
        self._holders: dict[str, str] = {}  # bounded by the sessions

    def _admit_session(self, requestor: Any) -> Any:
        return self._admit(requestor, secrets.token_hex(HANDLE))

    def _admit(self, requestor: Any, handle: str) -> Any:
        """Give a session a handle of 128 random bits; the SDK's UUID has 122, and was logged."""
        self.event_store = self._recent.of_session()
        transport = super()._admit_session(requestor)
        if transport is None:
            return None
        before: Any = transport.mcp_session_id
        transport.mcp_session_id = handle
        self._server_instances[handle] = self._server_instances.pop(before)
        if before in self._session_owners:
            self._session_owners[handle] = self._session_owners.pop(before)
        return transport

    async def _serve_opening_request(self, http_transport: Any, scope: Any, receive: Any, send: Any) -> None:
        """Refuse whoever holds its share of the sessions; the SDK's own bound is one for all."""
        who = holder_of(scope)
        if self._shares.take(who):
            self._holders[http_transport.mcp_session_id] = who
            await super()._serve_opening_request(http_transport, scope, receive, send)
            return
        await self._discard_session(http_transport.mcp_session_id, http_transport)
        error = {"code": types.INTERNAL_ERROR, "message": "too many of your sessions are open; end one with DELETE"}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        await reply(send, 429, body, "application/json", ((b"retry-after", b"5"),))

    async def _discard_session(self, session_id: str, transport: Any) -> None:
        who = self._holders.pop(session_id, None)
        if who is not None:
            self._shares.give(who)
        await super()._discard_session(session_id, transport)

    def leave(self) -> None:
        """The server ends, and its sessions with it."""


def holder_of(scope: Mapping[str, Any]) -> str:
    """Whose share of the sessions one is that is opened by this request."""
    return f"{scope[PRINCIPAL].name} {(scope.get('client') or ('',))[0]}"


class HttpApp:
    """The session manager as an ASGI application that runs it from start-up to shutdown."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._sessions.handle_request(scope, receive, send)
            return
        await receive()
        with _unnamed_sessions():
            async with self._sessions.run():
                await send({"type": "lifespan.startup.complete"})
                await receive()
                self._sessions.leave()
        await send({"type": "lifespan.shutdown.complete"})


@contextmanager
def _unnamed_sessions() -> Iterator[None]:
    """Keep handles out of the log meanwhile, where the SDK writes them: whoever knows one is half way in."""

    def unnamed(record: logging.LogRecord) -> bool:
        record.msg, record.args = _HANDLES.sub("[session]", record.getMessage()), None
        return True

    loggers = [logging.getLogger(name) for name in _TELLING]
    for logger in loggers:
        logger.addFilter(unnamed)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(unnamed)
