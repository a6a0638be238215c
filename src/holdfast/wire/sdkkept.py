"""Sessions of the SDK's that outlive the process: noted as clients change them, and woken when asked for again.

A session is woken by telling the SDK once more what its client had told: it cannot be put together from outside. Only a
request of its owner does that, and to anybody else it is as unknown as any other.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp.server.streamable_http import GET_STREAM_KEY

from holdfast.supervisor.book import NOW, Entry
from holdfast.wire import results
from holdfast.wire.edge import MESSAGE
from holdfast.wire.recognise import LEVELS
from holdfast.wire.remembered import TOLD, Remembered
from holdfast.wire.sdkhttp import Sessions, holder_of
from holdfast.wire.takeover import CODE, LOST, UNKNOWN

if TYPE_CHECKING:
    from holdfast.supervisor.worker import HttpWorker
    from holdfast.wire.publish import ClientList

_SESSION: Final = b"mcp-session-id"
_LAST: Final = b"last-event-id"
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}")
_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/json, text/event-stream"),
)
_EVENTS: Final = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform"))


class Kept(NamedTuple):
    """A session in the book."""

    slot: int
    owner: Any
    """Who opened it, as the SDK has it; ``None`` where nobody is asked who he is."""
    said: Remembered


class KeptSessions(Sessions):
    """Sessions in a book that the next worker reads. A request that changes none costs two stores of a word."""

    def __init__(self, *parts: Any, worker: HttpWorker, clients: ClientList, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._book = worker.book
        self._idle: float = options["session_idle_timeout"]
        self._kept: dict[str, Kept] = {}  # bounded by the book
        self._asleep: dict[str, float] = {}  # those that nobody has asked for yet, and until when; bounded by the book
        self._waking: dict[str, asyncio.Task[None]] = {}
        self._leaving = False
        self._recent.mark = self._mark = f"{worker.task.number}."
        clients.followed = self._followed
        self._recover(worker.book.recover())

    def _recover(self, left: Iterable[Entry]) -> None:
        now = time.monotonic_ns()
        for entry in left:
            handle, note = entry.handle.hex(), json.loads(entry.text)
            until = ((entry.used or now) - now) / 1e9 + time.monotonic() + self._idle
            if until <= time.monotonic() or not self._shares.take(note["who"]):
                self._book.close(entry.slot)
                continue
            self._book.used(entry.slot, entry.used or now)
            self._holders[handle] = note["who"]
            self._asleep[handle] = until
            self._enter(handle, entry.slot, note["owner"], note["who"], note["said"])

    def _enter(self, handle: str, slot: int, owner: Any, who: str, said: Mapping[str, Any]) -> Kept:
        def keep(note: dict[str, Any]) -> None:
            if handle in self._kept and not self._book.keep(slot, _text(who, owner, note)):
                self._forget(handle, "it has said more than is kept")

        kept = self._kept[handle] = Kept(slot, owner, Remembered(keep, said))
        return kept

    def _forget(self, handle: str, why: str = "") -> None:
        kept = self._kept.pop(handle, None)
        self._asleep.pop(handle, None)
        if kept is not None:
            self._book.close(kept.slot)
        if why:
            logging.getLogger("holdfast.wire").warning("a session will not outlive this process: %s", why)

    def leave(self) -> None:
        """See ``Sessions``: they are the next worker's from now on."""
        self._leaving = True

    # -- sessions that begin and end -----------------------------------------------------------------------------------

    def _admit_session(self, requestor: Any) -> Any:
        now = time.monotonic()
        for handle in [handle for handle, until in self._asleep.items() if until <= now]:
            self._over(handle)
        if self.max_sessions is not None and len(self._server_instances) + len(self._asleep) >= self.max_sessions:
            return None
        return super()._admit_session(requestor)

    async def _serve_opening_request(self, http_transport: Any, scope: Any, receive: Any, send: Any) -> None:
        message = scope.get(MESSAGE)
        if message is not None and message.body.get("method") == "initialize":
            self._open(http_transport.mcp_session_id, message.body, scope)
        await super()._serve_opening_request(http_transport, scope, receive, send)

    def _open(self, handle: str, body: Mapping[str, Any], scope: Any) -> None:
        who, owner = holder_of(scope), self._session_owners.get(handle)
        said = {"opening": dict(body)}
        slot = self._book.open(bytes.fromhex(handle), _text(who, owner, said))
        if slot is not None:
            self._enter(handle, slot, owner, who, said)

    async def _discard_session(self, session_id: str, transport: Any) -> None:
        if not self._leaving:
            self._forget(session_id)
        await super()._discard_session(session_id, transport)

    def _over(self, handle: str) -> None:
        """A session that nobody came back for."""
        self._forget(handle)
        self._shares.give(self._holders.pop(handle))

    # -- requests of sessions ------------------------------------------------------------------------------------------

    async def _handle_stateful_request(self, scope: Any, receive: Any, send: Any) -> None:
        handle = _header(scope, _SESSION)
        kept = self._kept.get(handle)
        if kept is None or kept.owner != _requestor(scope):  # for the SDK to refuse
            await super()._handle_stateful_request(scope, receive, send)
            return
        self._book.used(kept.slot, NOW)
        try:
            if handle in self._asleep or handle in self._waking:
                await self._woken(handle, scope)
            if scope["method"] == "DELETE":
                self._forget(handle)  # before its client is told so
            self._hear(kept, scope)
            lost = self._lost_stream(scope)
            if lost is None:
                await super()._handle_stateful_request(scope, receive, send)
            elif lost == GET_STREAM_KEY:  # news: what comes from now on is all there is
                headers = [pair for pair in scope["headers"] if pair[0] != _LAST]
                await super()._handle_stateful_request({**scope, "headers": headers}, receive, send)
            else:
                await _tell_unknown(lost, send)
        finally:
            transport = self._server_instances.get(handle)
            if self._kept.get(handle) is kept and (transport is None or not transport._requests_in_flight):
                self._book.used(kept.slot, time.monotonic_ns())

    def _lost_stream(self, scope: Any) -> str | None:
        """The stream that a client wants to resume, when it is one of a worker that is gone."""
        last = _header(scope, _LAST) if scope["method"] == "GET" else ""
        stream, _, number = last.rpartition("#")
        return None if not last or number.startswith(self._mark) else stream

    def _hear(self, kept: Kept, scope: Any) -> None:
        """Note what changes the session, before it is dealt with: nothing that was answered is lost."""
        message = scope.get(MESSAGE)
        if message is None or message.body.get("method") not in TOLD:
            return
        params = message.body.get("params")
        if message.body["method"] == "logging/setLevel" and _level(params) not in LEVELS:
            return  # it is going to be refused
        kept.said.hear(message.body)

    # -- sessions that another worker has served -----------------------------------------------------------------------

    async def _woken(self, handle: str, scope: Any) -> None:
        """Wake a session once, however many ask for it at the same time, and whoever of them leaves."""
        task = self._waking.get(handle)
        if task is None:
            task = self._waking[handle] = asyncio.create_task(self._wake(handle, scope), name="holdfast-waking")
            task.add_done_callback(lambda _: self._waking.pop(handle, None))
        await asyncio.shield(task)

    async def _wake(self, handle: str, scope: Any) -> None:
        kept, until = self._kept[handle], self._asleep.pop(handle)
        if until <= time.monotonic():
            self._over(handle)
            return
        told = [message.body for message in kept.said.repeated() if message.body["method"] != "resources/subscribe"]
        transport = self._admit(kept.owner, handle)
        if transport is None:
            self._over(handle)
            return
        opening, *rest = told  # there is an opening, or it would not be in the book
        # past our own, which would take another share for it
        begin = super(Sessions, self)._serve_opening_request
        await begin(transport, _as_post(scope), _body(opening), _nobody)
        for message in rest:
            inner = _as_post(scope, (_SESSION, handle.encode()))
            await transport.handle_request(inner, _body(message), _nobody)

    def _followed(self, handle: str) -> Iterable[str]:
        kept = self._kept.get(handle)
        return () if kept is None else tuple(kept.said.followed)


def _text(who: str, owner: Any, said: Mapping[str, Any]) -> bytes:
    return json.dumps({"who": who, "owner": owner, "said": said}, separators=(",", ":")).encode()


def _requestor(scope: Mapping[str, Any]) -> Any:
    user = scope.get("user")
    return authorization_context(user) if isinstance(user, AuthenticatedUser) else None


def _header(scope: Mapping[str, Any], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


def _level(params: Any) -> Any:
    return params.get("level") if isinstance(params, dict) else None


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
