"""The HTTP edge around the SDK's application: Host, Origin, token, body and concurrency are checked here first."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast.access.authentication import Unready
from holdfast.core.principal import PRINCIPAL
from holdfast.wire.admission import Admission, Admitted
from holdfast.wire.bodies import Bodies, replay
from holdfast.wire.connection import CONNECTION, Punctual
from holdfast.wire.doorkeeper import doorkeeper_for
from holdfast.wire.httpanswers import CLOSE, Challenge, Refused
from holdfast.wire.messages import INVALID_REQUEST, Malformed, Message, message_bounds, parse, same_id
from holdfast.wire.metadata import Metadata
from holdfast.wire.monitoring import OPEN_PATHS, PATHS, MonitorDoor, Monitored, Receive, Send, reply, respond
from holdfast.wire.standing import App, End, Scope, stand
from holdfast.wire.whole import Whole

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.core.principal import Principal
    from holdfast.wire.directhttp import DirectHttp

MCP_PATH = "/mcp"
MESSAGE = "holdfast.message"
"""Key in the ASGI scope under which the application finds the message, parsed."""
LISTEN = "subscriptions/listen"
"""The request whose answer is a stream of news (MCP 2026-07-28)."""
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
        self._metadata = Metadata(settings.auth, live.name, MCP_PATH)
        challenge = Challenge(self._metadata.url, settings.auth.scopes)
        self._doorkeeper = doorkeeper = doorkeeper_for(settings, live, challenge)
        self._monitor = MonitorDoor(settings, live, doorkeeper, challenge)
        self._admission = admission = Admission(settings, hosts, doorkeeper)
        self._user = admission.user if admission.by_token else None
        self._most = settings.http.connections
        self._bodies = Bodies(settings.limits.message, settings.http.receive_timeout)
        self._bounds = message_bounds(settings.limits)
        self._open = 0
        self._under_way: set[tuple[str, bytes, int | str]] = set()  # bounded by the open requests
        self._leaving = asyncio.Event()

    def drain(self) -> None:
        """End the streams that stand open for nothing but news; calls under way go on."""
        self._leaving.set()

    async def close(self) -> None:
        """End what runs behind the door."""
        if self._doorkeeper is not None:
            await self._doorkeeper.close()

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
            if refused.record is not None:
                await self._live.plant.recorder.write(refused.record)
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
        method = scope["method"]
        try:
            admitted = self._admitted(scope, path, method)
        except Unready:
            admitted = await self._admitted_later(scope, path, method)
        if path == MCP_PATH:
            await self._protocol(method, scope, admitted, receive, send)
        elif path in self._metadata.paths:
            _readable(method)
            await reply(send, 200, json.dumps(self._metadata.body).encode(), _JSON)
        elif path not in PATHS:
            raise Refused(404, f"nothing is here; MCP is served at {MCP_PATH}")
        else:
            _readable(method)
            await respond(self._live, path, send)

    def _admitted(self, scope: Scope, path: str, method: str) -> Admitted:
        """Judge the request's line and headers. Raises ``Refused``, or ``Unready`` when that has to wait."""
        peer = _peer(scope)
        watching = path in PATHS and path not in OPEN_PATHS
        is_open = watching or path in OPEN_PATHS or path in self._metadata.paths or method == "OPTIONS"
        admitted = self._admission.admit(scope["headers"], is_open=is_open, peer=peer)
        if scope.get("http_version", "1.1") not in ("1.0", "1.1"):
            raise Refused(505, "HTTP/1.1 is spoken here", (CLOSE,))
        if scope.get("http_version") == "1.0" and any(name == b"transfer-encoding" for name, _ in admitted.pairs):
            raise Refused(400, "HTTP/1.0 has no chunked bodies", (CLOSE,))  # RFC 9112, section 6.1
        if scope.get("raw_path", path.encode()) != path.encode():
            # a proxy in front that lets some paths through and not others would read another one
            raise Refused(404, f"nothing is here; MCP is served at {MCP_PATH}")
        if watching:
            self._monitor.check(admitted.authorization, admitted.pairs, peer)
        elif method == "OPTIONS" and self._doorkeeper is not None:
            raise Refused(405, "pages of other origins are granted nothing here", ((b"allow", b"GET, POST, DELETE"),))
        return admitted

    async def _admitted_later(self, scope: Scope, path: str, method: str) -> Admitted:
        """Once more, when what to judge the token by had to be read first."""
        doorkeeper: Any = self._doorkeeper  # there is one: nobody else is ever unready
        await doorkeeper.refresh()
        try:
            return self._admitted(scope, path, method)
        except Unready:
            raise doorkeeper.unavailable() from None

    async def _protocol(self, method: str, scope: Scope, admitted: Admitted, receive: Receive, send: Send) -> None:
        if scope.get("http_version") == "1.0":
            if method == "GET":
                raise Refused(505, "a stream of events takes HTTP/1.1", (CLOSE,))
            send = Whole(send)
        if method == "POST":
            await self._post(scope, admitted, receive, send)
        elif method == "GET":
            await stand(
                self._app, self._inner(scope, admitted), receive, send, *self._ends(admitted, self._leaving.wait)
            )
        else:
            await self._app(self._inner(scope, admitted), receive, send)

    def _inner(self, scope: Scope, admitted: Admitted) -> Scope:
        """What the SDK's application sees of a request."""
        inner = {**scope, "headers": list(admitted.pairs), PRINCIPAL: admitted.principal}
        if self._user is not None:
            inner["user"] = self._user(admitted.principal)
        return inner

    async def _post(self, scope: Scope, admitted: Admitted, receive: Receive, send: Send) -> None:
        connection: Punctual | None = scope.get(CONNECTION)
        arrived = connection is not None and connection.received
        body = await self._bodies.take(receive, admitted.length, arrived=arrived)
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
                again = replay(body, receive)
                if message.body.get("method") == LISTEN:
                    work = stand(self._app, inner, again, send, *self._ends(admitted))
                else:
                    work = self._app(inner, again, send)
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

    def _ends(self, admitted: Admitted, *ends: End) -> tuple[End, ...]:
        """What ends a stream that has no end: ``ends``, and that of the token it was opened with."""
        if self._doorkeeper is None or admitted.credential is None:
            return ends
        return (*ends, partial(self._doorkeeper.over, admitted.credential))


def _readable(method: str) -> None:
    if method not in ("GET", "HEAD"):
        raise Refused(405, "this page is read with GET", ((b"allow", b"GET, HEAD"),))


def _peer(scope: Scope) -> str:
    """The other end of the connection; nothing that a header says."""
    return str((scope.get("client") or ("",))[0])
