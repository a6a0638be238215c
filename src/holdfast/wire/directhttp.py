"""HTTP requests that are plain in every way, answered without the SDK's session and stream handling."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from holdfast.wire import results
from holdfast.wire.direct import Answers, DirectCall, Sender, served
from holdfast.wire.directsession import ClientRefused
from holdfast.wire.httpheaders import Plain, agree
from holdfast.wire.recognise import LEVELS, Envelope, handshake_envelope

if TYPE_CHECKING:
    from holdfast.core.config import HttpSettings
    from holdfast.core.endpoint import Endpoint, Request
    from holdfast.core.pipeline import Answer
    from holdfast.core.principal import Principal
    from holdfast.wire.connection import Punctual
    from holdfast.wire.messages import Message

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
User = Callable[["Principal"], Any]

SILENT_FOR: Final = 15.0
"""Seconds between signs of life while a call is silent, so that no proxy takes its connection for dead (SDK 2.3)."""
_STATUS: Final[Mapping[int, int]] = dict.fromkeys((-32700, -32600, -32602, -32020, -32021, -32022), 400) | {-32601: 404}
"""HTTP statuses of errors (MCP 2026-07-28, streamable HTTP); any other code goes with 200."""
_JSON: Final = (b"content-type", b"application/json")
_EVENTS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"connection", b"keep-alive"),
    (b"x-accel-buffering", b"no"),
)


class _NoWayBack:
    """The channel of a call whose client asked for no news and can be asked nothing."""

    level = LEVELS[-1]

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Nobody listens."""

    async def request(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Nobody answers."""
        raise ClientRefused


_SILENT: Final = Envelope()


class DirectHttp:
    """Takes what it can answer; ``False`` means that the SDK's application has to.

    That is every plain request of 2026-07-28 whose client asks for no progress and no log, and, where the server has no
    sessions and answers with JSON, those of the versions before.
    """

    def __init__(self, endpoint: Endpoint, http: HttpSettings, sdk: Any) -> None:
        self._endpoint = endpoint
        self._answers = Answers(endpoint)
        self._sdk = sdk
        self._json = http.json_response
        self._handshake = http.json_response and http.stateless
        self._channel = _NoWayBack()
        self._schemas: dict[str, tuple[Any, bool]] = {}  # bounded by the tools that were called and exist

    def find(self, message: Message, headers: Plain | None, principal: Principal) -> bytes | DirectCall | None:
        """The answer to a POST, or the call to serve for it; ``None`` when it is not plain."""
        if headers is None or message.kind != "request":
            return None
        return self._modern(message.body, headers, principal) if headers.modern else self._earlier(message, principal)

    async def answer(
        self, found: bytes | DirectCall, receive: Receive, send: Send, user: User | None, connection: Punctual | None
    ) -> None:
        """Answer with what was found. ``user`` gives the caller as the SDK knows it.

        Over a connection of our own, which cancels this when its client leaves, nobody has to watch for that here.
        """
        with suppress(OSError):  # of sending: the client has left, and nobody is there to be told
            if isinstance(found, bytes):
                await _answer(send, 200, found, connection)
            elif found.session.era == "handshake":
                await _answer(send, 200, await self.response(found, None, user), connection)
            elif connection is not None and self._json:
                raw = await self.response(found, self.stamp, user)
                await _answer(send, _status(raw), raw, connection)
            else:
                await _Exchange(self, found, receive, send, connection).serve(user)

    def _modern(self, body: Mapping[str, Any], headers: Plain, principal: Principal) -> bytes | DirectCall | None:
        envelope = self._answers.envelopes.read(body.get("params"))
        if envelope is None or envelope.level is not None or not agree(headers, body):
            return None
        if envelope.progress is not None and not self._json:
            return None
        found = self._answers.take(body, "modern", envelope, Sender(principal, self._channel, {}))
        return None if isinstance(found, DirectCall) and self._mirrored(found.request) else found

    def _earlier(self, message: Message, principal: Principal) -> bytes | DirectCall | None:
        if not self._handshake:
            return None
        body = message.body
        if body["method"] == "initialize":
            return self._answers.welcome(body["id"], body.get("params"))
        envelope = handshake_envelope(body.get("params"))
        silent = envelope and (_SILENT if envelope.key is None else _SILENT._replace(key=envelope.key))
        return self._answers.take(body, "handshake", silent, Sender(principal, self._channel, {}))

    def _mirrored(self, request: Request) -> bool:
        """Whether a tool wants arguments repeated in headers, which the SDK compares."""
        tool = request.name
        schema = self._endpoint.input_schema(tool, request.principal)
        if schema is None:
            return False
        known = self._schemas.get(tool)
        if known is None or known[0] is not schema:
            known = self._schemas[tool] = (schema, b'"x-mcp-header"' in results.encode(schema))
        return known[1]

    async def response(self, call: DirectCall, stamp: bytes | None, user: User | None) -> bytes:
        """The response to a call."""

        async def judged(call: DirectCall, answer: Answer) -> bytes:
            caller = None if user is None else user(call.request.principal)
            raw: bytes = await self._sdk.judged(call, answer, stamp is not None, caller)
            return raw

        return await served(self._endpoint, call, stamp, judged)

    @property
    def stamp(self) -> bytes:
        """What results of 2026-07-28 have in their ``_meta``."""
        return self._answers.pages.stamp

    @property
    def json_only(self) -> bool:
        """Whether the answer is JSON however long it takes."""
        return self._json


class _Exchange:
    """One call of 2026-07-28: ended when its client leaves, and kept alive while it is silent for long."""

    def __init__(
        self, owner: DirectHttp, call: DirectCall, receive: Receive, send: Send, connection: Punctual | None
    ) -> None:
        self._owner = owner
        self._call = call
        self._receive = receive
        self._send = send
        self._connection = connection
        self._task: Any = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._waits: asyncio.Handle
        self._beside: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._streaming = False
        self._left = False

    async def serve(self, user: User | None) -> None:
        """Serve it to its end. Most calls never wait, and need nobody to watch them."""
        self._waits = self._loop.call_soon(self._watch, 1)  # quick calls end in the turn after the one they begin in
        try:
            raw = await self._owner.response(self._call, self._owner.stamp, user)
            if self._sending.locked():  # a sign of life that has begun is sent whole
                await self._sending.acquire()
            self._unwatch()
            if not self._left:
                await self._end(raw)
            else:  # the call ended all the same
                self._task.uncancel()
        except CancelledError:
            if not self._left or self._task.uncancel():  # it is the server that ends it, perhaps besides
                raise
        finally:
            self._unwatch()

    def _unwatch(self) -> None:
        self._waits.cancel()
        if self._beside is not None:
            self._beside.cancel()

    async def _end(self, raw: bytes) -> None:
        if self._streaming:
            frame = b"event: message\r\ndata: " + raw + b"\r\n\r\n"
            await self._send({"type": "http.response.body", "body": frame, "more_body": False})
        else:
            await _answer(self._send, _status(raw), raw, self._connection)

    def _watch(self, turns: int) -> None:
        """The call waits for longer than ``turns``: somebody must see its client leave meanwhile."""
        if turns:
            self._waits = self._loop.call_soon(self._watch, turns - 1)
        elif self._connection is not None:  # which does that, so that only silence is left to be seen
            self._waits = self._loop.call_later(SILENT_FOR, self._stay)
        else:
            self._stay()

    def _stay(self) -> None:
        self._beside = self._loop.create_task(self._keep(), name="holdfast-exchange")

    async def _keep(self) -> None:
        with suppress(OSError):  # of sending or receiving: the client has left
            if self._connection is not None:  # the first silence is over
                await self._sign_of_life()
            while not await self._gone():
                await self._sign_of_life()
        self._left = True
        self._task.cancel()

    async def _gone(self) -> bool:
        if self._connection is not None:
            await asyncio.sleep(SILENT_FOR)
            return False
        try:
            async with asyncio.timeout(None if self._owner.json_only else SILENT_FOR):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    async def _sign_of_life(self) -> None:
        async with self._sending:
            if not self._streaming:
                self._streaming = True
                await self._send({"type": "http.response.start", "status": 200, "headers": list(_EVENTS)})
            await self._send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})


def _status(raw: bytes) -> int:
    return _STATUS.get(raw.code, 200) if isinstance(raw, results.Failure) else 200


async def _answer(send: Send, status: int, body: bytes, connection: Punctual | None) -> None:
    if connection is None or not connection.answer(status, body):
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
