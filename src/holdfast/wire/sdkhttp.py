"""The SDK's streamable HTTP as an ASGI application, with a share of the sessions and events of its own for each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from holdfast.core.principal import PRINCIPAL
from holdfast.wire.monitoring import reply

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server as LowLevelServer

    from holdfast.wire.eventstore import RecentEvents
    from holdfast.wire.publish import Shares


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
        self.event_store = self._recent.of_session()
        return super()._admit_session(requestor)

    async def _serve_opening_request(self, http_transport: Any, scope: Any, receive: Any, send: Any) -> None:
        """Refuse whoever holds its share of the sessions; the SDK's own bound is one for all."""
        who = f"{scope[PRINCIPAL].name} {(scope.get('client') or ('',))[0]}"
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


class HttpApp:
    """The session manager as an ASGI application that runs it from start-up to shutdown."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._sessions.handle_request(scope, receive, send)
            return
        await receive()
        async with self._sessions.run():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
