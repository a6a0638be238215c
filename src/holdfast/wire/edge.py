"""The HTTP edge around the SDK's application: Host, Origin, token, body and concurrency are checked here first."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from holdfast.access.tokens import TokenTable
from holdfast.core.config import Settings
from holdfast.core.principal import ANONYMOUS, Principal
from holdfast.wire.messages import INVALID_REQUEST, Malformed, Message, message_bounds, parse, same_id
from holdfast.wire.monitoring import OPEN_PATHS, PATHS, Monitored, Receive, Send, reply, respond
from holdfast.wire.sdk import PRINCIPAL

Scope = dict[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
MCP_PATH = "/mcp"
_JSON = "application/json"
_DECISIVE = (b"host", b"origin", b"authorization", b"content-type", b"content-length", b"mcp-session-id")


class Refused(Exception):
    """A request that ends here, with its HTTP status."""

    def __init__(self, status: int, body: dict[str, Any] | str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


class Edge:
    """An ASGI application. Nothing that was sent is repeated in an answer."""

    def __init__(self, app: App, live: Monitored, settings: Settings, hosts: frozenset[str]) -> None:
        self._app = app
        self._live = live
        self._hosts = hosts | {name.lower() for name in settings.http.allowed_hosts}
        self._origins = {name.lower() for name in settings.http.allowed_origins} | self._own_origins()
        self._settings = settings
        limits = settings.limits
        self._bounds = message_bounds(limits)
        tokens = settings.auth.tokens
        wanted = settings.auth.required if settings.auth.required is not None else tokens is not None
        self._tokens = TokenTable(tokens.get_secret_value()) if wanted and tokens is not None else None
        self._open = 0
        self._under_way: set[tuple[str, bytes, int | str] | None] = set()  # bounded by the open requests
        self._leaving = asyncio.Event()

    def drain(self) -> None:
        """End the streams that stand open for nothing but news; calls under way go on."""
        self._leaving.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        self._open += 1
        begun: list[bool] = []

        async def noted(event: dict[str, Any]) -> None:
            begun.append(True)
            await send(event)

        try:
            await self._serve(scope, receive, noted)
        except Refused as refused:
            text = refused.body if isinstance(refused.body, str) else json.dumps(refused.body)
            kind = "text/plain; charset=utf-8" if isinstance(refused.body, str) else _JSON
            await reply(send, refused.status, text.encode(), kind, refused.headers)
        except Exception as error:  # boundary: a fault of ours is logged and told as one, without its text
            incident = secrets.token_hex(6)
            self._live.plant.log.error("http", incident=incident, exc_info=error)
            if not begun:
                await reply(send, 500, f"internal error {incident}".encode(), "text/plain; charset=utf-8")
        finally:
            self._open -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        full = self._open > self._settings.http.connections
        if full and scope["path"] not in OPEN_PATHS:  # a probe must not take a busy server for a dead one
            raise Refused(503, "the server is busy; try again in a moment", ((b"retry-after", b"1"),))
        # RFC 9110, section 5.5: whitespace around a value is not part of it, but httptools leaves it at the end
        scope = {**scope, "headers": [(name.lower(), value.strip(b" \t")) for name, value in scope["headers"]]}
        headers = _single(scope["headers"])
        self._check_names(headers)
        path = scope["path"]
        principal = ANONYMOUS if path in OPEN_PATHS else self._principal(headers)
        if path in PATHS:
            if scope["method"] not in ("GET", "HEAD"):
                raise Refused(405, "this page is read with GET", ((b"allow", b"GET, HEAD"),))
            await respond(self._live, path, send)
        elif path == MCP_PATH:
            await self._mcp(scope, receive, send, principal)
        else:
            raise Refused(404, f"nothing is here; MCP is served at {MCP_PATH}")

    def _check_names(self, headers: dict[bytes, str]) -> None:
        """Exact Host and Origin lists, against DNS rebinding (CVE-2025-66416)."""
        if headers.get(b"host", "").lower() not in self._hosts:
            raise Refused(403, "this Host is not served; set HOLDFAST_HTTP__ALLOWED_HOSTS to add it")
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() not in self._origins:
            raise Refused(403, "this Origin is not allowed; set HOLDFAST_HTTP__ALLOWED_ORIGINS to add it")

    def _own_origins(self) -> set[str]:
        return {f"http://{host}" for host in self._hosts} | {f"https://{host}" for host in self._hosts}

    def _principal(self, headers: dict[bytes, str]) -> Principal:
        if self._tokens is None:
            return ANONYMOUS
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        found = self._tokens.principal(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
        if found is None:
            error = b'Bearer error="invalid_token"' if scheme else b"Bearer"
            raise Refused(401, "a valid bearer token is needed", ((b"www-authenticate", error),))
        return found

    async def _mcp(self, scope: Scope, receive: Receive, send: Send, principal: Principal) -> None:
        inner = {**scope, PRINCIPAL: principal}
        if self._tokens is not None:
            inner["user"] = sdk_user(principal)
        if scope["method"] == "GET":
            await self._standing(inner, receive, send)
            return
        if scope["method"] != "POST":
            await self._app(inner, receive, send)
            return
        body = await self._body(receive)
        try:
            message = parse(body, self._bounds)
            key = self._claimed(message, inner)
        except Malformed as error:
            raise Refused(400, error.reply()) from None
        try:
            await self._app(inner, _replay(body, receive), send)
        finally:
            self._under_way.discard(key)

    def _claimed(self, message: Message, scope: Scope) -> tuple[str, bytes, int | str] | None:
        """Refuse a second request of a session under the id of one under way: the first would never be answered."""
        session = next((value for name, value in scope["headers"] if name == b"mcp-session-id"), None)
        if session is None or message.kind != "request":
            return None
        key = (scope[PRINCIPAL].name, session, same_id(message.body["id"]))
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

    async def _body(self, receive: Receive) -> bytes:
        """The whole body, within its size and its time (uvicorn has no deadline for receiving)."""
        limit, parts, size = self._settings.limits.message, [], 0
        try:
            async with asyncio.timeout(self._settings.http.receive_timeout):
                while True:
                    event = await receive()
                    if event["type"] == "http.disconnect":
                        raise Refused(400, "the client left")
                    parts.append(event.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        raise Refused(413, f"a request body is at most {limit} bytes")
                    if not event.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise Refused(408, "the request did not arrive in time", ((b"connection", b"close"),)) from None


def _single(headers: list[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """The headers by name. Two of those that decide anything are refused: each side might believe another one."""
    found = {name: value.decode("latin-1") for name, value in headers}
    for name in _DECISIVE:
        if sum(sent == name for sent, _ in headers) > 1:
            raise Refused(400, f"the header {name.decode()} was sent more than once")
    return found


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> dict[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def sdk_user(principal: Principal) -> Any:
    """The principal as the SDK knows users, so that it binds sessions and request state to them."""
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken

    known = {"token": principal.name, "client_id": principal.name, "scopes": sorted(principal.scopes)}
    return AuthenticatedUser(AccessToken.model_validate(known))
