"""The HTTP edge around the SDK's application: Host, Origin, token, body and concurrency are checked here first."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from holdfast.core.principal import PRINCIPAL
from holdfast.wire.admission import CLOSE, Admission, Admitted, Refused
from holdfast.wire.connection import CONNECTION, Punctual
from holdfast.wire.messages import INVALID_REQUEST, Malformed, Message, message_bounds, parse, same_id
from holdfast.wire.monitoring import OPEN_PATHS, PATHS, Monitored, Receive, Send, reply, respond

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.core.principal import Principal
    from holdfast.wire.directhttp import DirectHttp

Scope = dict[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
MCP_PATH = "/mcp"
MESSAGE = "holdfast.message"
"""Key in the ASGI scope under which the application finds the message, parsed."""
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


class Edge:
    """An ASGI application. Nothing that was sent is repeated in an answer, but a request's id."""

    def __init__(
        self,
        app: App,
        live: Monitored,
        settings: Settings,
        hosts: frozenset[str],
        direct: DirectHttp | None = None,
    ) -> None:
        self._app = app
        self._direct = direct
        self._live = live
        self._admission = admission = Admission(settings, hosts)
        self._user = admission.user if admission.by_token else None
        self._most = settings.http.connections
        self._patience = settings.http.receive_timeout
        self._largest = settings.limits.message
        self._bounds = message_bounds(settings.limits)
        self._open = 0
        self._under_way: set[tuple[str, bytes, int | str]] = set()  # bounded by the open requests
        self._leaving = asyncio.Event()

    def drain(self) -> None:
        """End the streams that stand open for nothing but news; calls under way go on."""
        self._leaving.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        self._open += 1
        begun = False

        def noted(event: dict[str, Any]) -> Awaitable[None]:
            nonlocal begun
            begun = True
            return send(event)

        try:
            await self._serve(scope, receive, noted)
        except Refused as refused:
            plain = isinstance(refused.body, str)
            text = refused.body if isinstance(refused.body, str) else json.dumps(refused.body)
            await reply(send, refused.status, text.encode(), _TEXT if plain else _JSON, refused.headers)
        except Exception as error:  # boundary: a fault of ours is logged and told as one, without its text
            incident = secrets.token_hex(6)
            self._live.plant.log.error("http", incident=incident, exc_info=error)
            if not begun:
                await reply(send, 500, f"internal error {incident}".encode(), _TEXT)
        finally:
            self._open -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self._open > self._most and path not in OPEN_PATHS:  # a probe must not take a busy server for a dead one
            raise Refused(503, "the server is busy; try again in a moment", ((b"retry-after", b"1"),))
        admitted = self._admission.admit(scope["headers"], is_open=path in OPEN_PATHS)
        method = scope["method"]
        if path == MCP_PATH:
            if method == "POST":
                await self._post(scope, admitted, receive, send)
            elif method == "GET":
                await self._standing(self._inner(scope, admitted), receive, send)
            else:
                await self._app(self._inner(scope, admitted), receive, send)
        elif path not in PATHS:
            raise Refused(404, f"nothing is here; MCP is served at {MCP_PATH}")
        elif method not in ("GET", "HEAD"):
            raise Refused(405, "this page is read with GET", ((b"allow", b"GET, HEAD"),))
        else:
            await respond(self._live, path, send)

    def _inner(self, scope: Scope, admitted: Admitted) -> Scope:
        """What the SDK's application sees of a request."""
        inner = {**scope, "headers": list(admitted.pairs), PRINCIPAL: admitted.principal}
        if self._user is not None:
            inner["user"] = self._user(admitted.principal)
        return inner

    async def _post(self, scope: Scope, admitted: Admitted, receive: Receive, send: Send) -> None:
        connection: Punctual | None = scope.get(CONNECTION)
        if admitted.length > self._largest:
            raise self._too_large()
        whole = connection is not None and connection.received
        body = await (self._received(receive) if whole else self._in_time(receive))
        key = None
        try:
            message = parse(body, self._bounds)
            if admitted.session is not None:
                key = self._claimed(message, admitted.session, admitted.principal)
        except Malformed as error:
            raise Refused(400, error.reply()) from None
        try:
            # what is plain is answered here, everything else by the SDK's application
            direct = self._direct
            found = None if direct is None else direct.find(message, admitted.plain, admitted.principal)
            work: Awaitable[None]
            if direct is not None and found is not None:
                work = direct.answer(found, receive, send, self._user, connection)
            else:
                inner = self._inner(scope, admitted)
                inner[MESSAGE] = message
                work = self._app(inner, _replay(body, receive), send)
            await (work if connection is None or not admitted.leaves else connection.while_there(work))
        finally:
            if key is not None:
                self._under_way.discard(key)

    def _claimed(self, message: Message, session: bytes, principal: Principal) -> tuple[str, bytes, int | str] | None:
        """Refuse a second request of a session under the id of one under way: the first would never be answered."""
        if message.kind != "request":
            return None
        key = (principal.name, session, same_id(message.body["id"]))
        if key in self._under_way:
            raise Malformed(INVALID_REQUEST, "a request with this id is still under way; use another id")
        self._under_way.add(key)
        return key

    async def _standing(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A stream without an end of its own: to the application our leaving looks as if the client had left."""
        ended = False

        async def until_leaving() -> dict[str, Any]:
            asked, leaving = asyncio.ensure_future(receive()), asyncio.ensure_future(self._leaving.wait())
            try:
                await asyncio.wait({asked, leaving}, return_when=asyncio.FIRST_COMPLETED)
                return asked.result() if asked.done() else {"type": "http.disconnect"}
            finally:
                asked.cancel()
                leaving.cancel()

        async def noted(event: dict[str, Any]) -> None:
            nonlocal ended
            ended = event["type"] == "http.response.body" and not event.get("more_body", False)
            await send(event)

        await self._app(scope, until_leaving, noted)
        if self._leaving.is_set() and not ended:
            await send({"type": "http.response.body", "body": b""})

    async def _in_time(self, receive: Receive) -> bytes:
        """The whole body, within its time (uvicorn has no deadline for receiving)."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._received(receive)
        except TimeoutError:
            raise Refused(408, "the request did not arrive in time", (CLOSE,)) from None

    async def _received(self, receive: Receive) -> bytes:
        """The whole body, within its size."""
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


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> dict[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
