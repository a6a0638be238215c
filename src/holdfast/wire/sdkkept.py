"""Sessions of the SDK's that outlive the process: noted as clients change them, and woken when asked for again.

A session is woken by telling the SDK once more what its client had told: it cannot be put together from outside. Only a
request of its owner does that, and to anybody else it is as unknown as any other.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp.server.streamable_http import GET_STREAM_KEY

from holdfast.core.principal import PRINCIPAL
from holdfast.wire import results
from holdfast.wire.edge import MESSAGE
from holdfast.wire.publish import tell_changed
from holdfast.wire.sdkhttp import Sessions, holder_of
from holdfast.wire.sessionbook import SessionBook
from holdfast.wire.takeover import CODE, LOST, UNKNOWN

if TYPE_CHECKING:
    from holdfast.core.clock import Clock
    from holdfast.supervisor.worker import HttpWorker
    from holdfast.wire.sdk import SdkServer

SOON: Final = 0.1
"""Seconds after which a stream of news is open that was asked for."""
_SESSION: Final = b"mcp-session-id"
_LAST: Final = b"last-event-id"
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}")
_HEADERS: Final = ((b"content-type", b"application/json"), (b"accept", b"application/json, text/event-stream"))
_EVENTS: Final = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform"))


class KeptSessions(Sessions):
    """Sessions in a book that the next worker reads. A request that changes none costs two stores of a word."""

    def __init__(self, *parts: Any, worker: HttpWorker, sdk: SdkServer, clock: Clock, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._sdk = sdk
        self._news: dict[str, list[str]] = {}  # lists that changed while nobody served; bounded by the sessions
        self._telling: set[asyncio.Task[None]] = set()  # likewise
        self._book = SessionBook(worker.book, options["session_idle_timeout"], clock.now, _too_much)
        self._waking: dict[str, asyncio.Task[None]] = {}  # bounded by the sessions
        self._leaving = False
        self._recent.mark = self._mark = f"{worker.task.number}."
        sdk.clients.followed = self._book.followed
        self._book.recover(self._take)

    def _take(self, handle: str, who: str) -> bool:
        if not self._shares.take(who):
            return False
        self._holders[handle] = who
        return True

    def leave(self) -> None:
        """See ``Sessions``: they are the next worker's from now on."""
        self._leaving = True

    def _admit_session(self, requestor: Any) -> Any:
        for handle in self._book.expired():
            self._over(handle)
        asleep = len(self._book.asleep)
        if self.max_sessions is not None and len(self._server_instances) + asleep >= self.max_sessions:
            return None
        return super()._admit_session(requestor)

    async def _serve_opening_request(self, http_transport: Any, scope: Any, receive: Any, send: Any) -> None:
        message, handle = scope.get(MESSAGE), http_transport.mcp_session_id
        if message is not None and message.body.get("method") == "initialize":
            self._book.open(handle, holder_of(scope), self._session_owners.get(handle), message.body)
            if (kept := self._book.find(handle)) is not None:
                kept.said.news(self._sdk.endpoint, scope[PRINCIPAL])
        await super()._serve_opening_request(http_transport, scope, receive, send)

    async def _discard_session(self, session_id: str, transport: Any) -> None:
        if not self._leaving:
            self._book.forget(session_id)
        self._news.pop(session_id, None)
        await super()._discard_session(session_id, transport)

    def _over(self, handle: str) -> None:
        """A session that nobody came back for."""
        self._book.forget(handle)
        if (who := self._holders.pop(handle, None)) is not None:
            self._shares.give(who)

    async def _handle_stateful_request(self, scope: Any, receive: Any, send: Any) -> None:
        handle = _header(scope, _SESSION)
        kept = self._book.find(handle)
        if kept is None or kept.owner != _requestor(scope):  # for the SDK to refuse
            await super()._handle_stateful_request(scope, receive, send)
            return
        self._book.busy(kept)
        try:
            if handle in self._book.asleep or handle in self._waking:
                await self._woken(handle, scope)
            if scope["method"] == "DELETE":
                self._book.forget(handle)  # before its client is told so
            elif MESSAGE in scope:
                self._book.hear(kept, scope[MESSAGE])
            await self._go_on(scope, receive, send)
        finally:
            transport = self._server_instances.get(handle)
            if transport is None or not transport._requests_in_flight:
                self._book.idle(handle, kept)

    async def _go_on(self, scope: Any, receive: Any, send: Any) -> None:
        """Leave the request to the SDK, but for a stream of a worker that is gone: it would be silent for ever."""
        last = _header(scope, _LAST) if scope["method"] == "GET" else ""
        stream, _, number = last.rpartition("#")
        if last and not number.startswith(self._mark):
            if stream != GET_STREAM_KEY:
                await _tell_unknown(stream, send)
                return
            # news: what comes from now on is all there is
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != _LAST]}
        if scope["method"] == "GET" and (handle := _header(scope, _SESSION)) in self._news:
            asyncio.get_running_loop().call_later(SOON, self._tell, handle)
        await super()._handle_stateful_request(scope, receive, send)

    def _tell(self, handle: str) -> None:
        """The session's stream of news is open by now."""
        kinds = self._news.pop(handle, ())
        task = asyncio.create_task(tell_changed(self._sdk.clients, handle, kinds), name="holdfast-news")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _woken(self, handle: str, scope: Any) -> None:
        """Wake a session once, however many ask for it at the same time, and whoever of them leaves."""
        task = self._waking.get(handle)
        if task is None:
            task = self._waking[handle] = asyncio.create_task(self._wake(handle, scope), name="holdfast-waking")
            task.add_done_callback(lambda _: self._waking.pop(handle, None))
        await asyncio.shield(task)

    async def _wake(self, handle: str, scope: Any) -> None:
        kept = self._book.find(handle)
        late = handle in self._book.expired()
        self._book.asleep.pop(handle, None)
        transport = None if kept is None or late else self._admit(kept.owner, handle)
        if kept is None or transport is None:
            self._over(handle)
            return
        told = [message.body for message in kept.said.repeated() if message.body["method"] != "resources/subscribe"]
        opening, *rest = told  # there is an opening, or it would not be in the book
        # past our own, which would take another share for it
        await super(Sessions, self)._serve_opening_request(transport, _as_post(scope), _body(opening), _nobody)
        for message in rest:
            inner = _as_post(scope, (_SESSION, handle.encode()))
            await transport.handle_request(inner, _body(message), _nobody)
        if news := kept.said.news(self._sdk.endpoint, scope[PRINCIPAL]):
            self._news[handle] = news


def _too_much() -> None:
    logging.getLogger("holdfast.wire").warning("a session ends with this process: it has said more than is kept")


def _requestor(scope: Mapping[str, Any]) -> Any:
    user = scope.get("user")
    return authorization_context(user) if isinstance(user, AuthenticatedUser) else None


def _header(scope: Mapping[str, Any], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


def _as_post(scope: Mapping[str, Any], *more: tuple[bytes, bytes]) -> dict[str, Any]:
    """A request of the same caller, with another message."""
    inner = {**scope, "method": "POST", "headers": [*_HEADERS, *more]}
    inner.pop(MESSAGE, None)
    return inner


def _body(message: Mapping[str, Any]) -> Any:
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()  # this client never leaves
        sent = True
        return {"type": "http.request", "body": json.dumps(message).encode(), "more_body": False}

    return receive


async def _nobody(_event: Mapping[str, Any]) -> None:
    """Its client had this answer long ago."""


async def _tell_unknown(stream: str, send: Any) -> None:
    """End a stream of a worker that is gone: whoever waits there for an answer is told that it will not come."""
    number: int | str = int(stream) if _NUMBER.fullmatch(stream) else stream  # as nearly all clients count
    raw = results.failure(number, UNKNOWN, LOST, {"code": CODE, "retryable": False})
    await send({"type": "http.response.start", "status": 200, "headers": list(_EVENTS)})
    await send({"type": "http.response.body", "body": b"event: message\r\ndata: " + raw + b"\r\n\r\n"})
