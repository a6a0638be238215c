"""A raw client over HTTP in both eras: with a handshake and a session, or with an envelope in each request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from holdfast_attack.link import httpheaders
from holdfast_attack.link.httpanswer import ANY, ANYTHING, EVENTS, Answer, Wanted
from holdfast_attack.link.httpheaders import Mirrors, Overrides
from holdfast_attack.link.messages import INITIALIZED, answer, decoded, encoded, initialize, is_modern, request
from holdfast_attack.link.rawhttp import RawConnection, Tap
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Ear, Gone
from holdfast_attack.model import Lane

if TYPE_CHECKING:
    from holdfast_attack.target.address import Address
    from holdfast_attack.target.httptarget import Served
    from holdfast_attack.target.tree import Tree

HEADER_MISMATCH = -32020
NOT_FOUND = 404
ASKED = 64
"""Requests of the server's that are answered at the same time."""
AGAIN = 20
"""Times that a stream which was closed too early is taken up again."""
LONGEST_WAIT = 1.0
"""Seconds at most between two of them, whatever the server says."""


class HttpSession:
    """See ``Session``. Each request has a connection of its own, so that several may be under way."""

    def __init__(
        self, address: Address, lane: Lane, token: str | None = None, tree: Tree | None = None, ear: Ear | None = None
    ) -> None:
        self.address, self.lane, self.token, self.tree = address, lane, token, tree
        self.tap = Tap(ear=ear)
        self.transcript = self.tap.transcript
        self.greeting: dict[str, Any] = {}
        self.version = lane.version
        """What was agreed upon."""
        self.session_id: str | None = None
        self.server: Served | None = None
        """The server, where one was started for this session alone."""
        self.source: str | None = None
        """The address of this machine that it speaks from, where it matters."""
        self._number = 0
        self._mirrors: Mirrors = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(
        cls, address: Address, lane: Lane, token: str | None = None, tree: Tree | None = None, ear: Ear | None = None
    ) -> Self:
        """A session that has been greeted. Raises ``Gone`` when the server is not there, or will not."""
        session = cls(address, lane, token, tree, ear)
        reply = await session.greet(10.0)
        if reply.result is None:
            raise Gone("it does not answer its first message with a result")
        return session

    async def greet(self, within: float) -> Reply:
        """Begin as the era wants it; the reply to the first request, which may be silence. Raises ``Gone``."""
        self.session_id, self.version = None, self.lane.version
        if is_modern(self.lane.version):
            reply = await self._asked(self.message("server/discover"), within)
        else:
            reply = await self._asked(
                initialize(self.lane.version, self._next()), within, {"mcp-protocol-version": None}
            )
            if reply.result is not None:
                said = reply.result.get("protocolVersion")
                self.version = said if isinstance(said, str) else self.version
                self.session_id = reply.headers.get("mcp-session-id")
                await self.post(INITIALIZED, within=within)
        self.greeting = reply.result or {}
        return reply

    async def ask(
        self, method: str, params: Mapping[str, Any] | None = None, *, within: float = 5.0, id: Any = None
    ) -> Reply:
        """See ``Session``. As the specification wants it of clients, a session that has ended is begun anew, and a
        tool whose headers are missing is looked up."""
        reply = await self._asked(self.message(method, params, id=id), within)
        if reply.status == NOT_FOUND and self.session_id is not None and (await self.greet(within)).result is not None:
            return await self._asked(self.message(method, params, id=id), within)
        if reply.code == HEADER_MISMATCH and method == "tools/call" and await self._learns(within):
            return await self._asked(self.message(method, params, id=id), within)
        return reply

    async def call(self, tool: str, arguments: Any, *, within: float = 5.0) -> Reply:
        """See ``Session``."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments}, within=within)

    async def alive(self, within: float = 5.0) -> bool:
        """See ``Session``."""
        try:
            reply = await self.ask("tools/list", within=within)
        except Gone:
            return False
        return not reply.silent

    def message(self, method: str, params: Mapping[str, Any] | None = None, *, id: Any = None) -> dict[str, Any]:
        """See ``Session``."""
        return request(self.lane.version, method, params, self._next() if id is None else id)

    async def post(
        self, body: bytes | dict[str, Any], *, headers: Overrides | None = None, within: float = 5.0
    ) -> Reply:
        """POST a message, or what is none. Raises ``Gone`` when nobody listens, or hangs up without an answer."""
        data = body if isinstance(body, bytes) else encoded(body)
        return await self.exchange(self.request_bytes("POST", data, headers=headers), within, Wanted(_id_of(body)))

    async def request(
        self,
        method: str,
        *,
        path: str | None = None,
        headers: Overrides | None = None,
        body: bytes = b"",
        within: float = 5.0,
    ) -> Reply:
        """Any request. Of a stream that a GET opens only the head is waited for. Raises ``Gone``."""
        sent = self.request_bytes(method, body, path=path, headers=headers)
        return await self.exchange(sent, within, Wanted(bodiless=method == "HEAD", stream=method != "GET"))

    async def exchange(self, sent: bytes, within: float = 5.0, wanted: Wanted = ANYTHING) -> Reply:
        """Bytes of any kind on a connection of their own, and what comes. Raises ``Gone`` when only its end does."""
        began = time.monotonic()
        answer = await self._exchanged(sent, within, wanted)
        if answer.head is None and answer.cut:
            raise Gone("it hangs up without an answer")
        return answer.reply(time.monotonic() - began)

    async def open(self, within: float = 5.0) -> RawConnection:
        """A connection for bytes of any kind. Raises ``Gone``."""
        return await RawConnection.to(self.address, within, self.tap, self.source)

    def headers(self, body: Any = None) -> dict[str, str]:
        """The usual ones for a body, names in lower case, without its length."""
        headers = httpheaders.usual(self.authority, self.version, self.token, self.session_id)
        if is_modern(self.lane.version):
            seen = decoded(body) if isinstance(body, bytes) and len(body) < 2**20 else body
            headers |= httpheaders.mirrored(seen, self._mirrors)
        return headers

    def request_bytes(
        self, method: str, body: bytes = b"", *, path: str | None = None, headers: Overrides | None = None
    ) -> bytes:
        """A whole request, as ``post`` and ``request`` send it."""
        usual = self.headers(body)
        if body or method in ("POST", "PUT", "PATCH"):
            usual["content-length"] = str(len(body))
        else:
            del usual["content-type"]
        fields = httpheaders.overridden(usual, headers or {})
        return httpheaders.head_of(method, path or self.address.path, fields) + body

    @property
    def authority(self) -> str:
        """What stands in an honest Host."""
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return f"{host}:{self.address.port}"

    async def close(self) -> None:
        """See ``Session``; a session on a server that goes on is ended as the specification wants it."""
        for task in tuple(self._tasks):
            task.cancel()
        if self.server is not None:
            await self.server.end()
        elif self.session_id is not None:
            try:
                await self.request("DELETE", within=1.0)
            except (Gone, TimeoutError):
                return  # it is not there any more, nor is the session

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _asked(self, message: dict[str, Any], within: float, headers: Overrides | None = None) -> Reply:
        """Silence is also what a stream is that ends without an answer."""
        began = time.monotonic()
        data = encoded(message)
        wanted = Wanted(message["id"], self._asked_back)
        answer = await self._exchanged(self.request_bytes("POST", data, headers=headers), within, wanted)
        left = began + within - time.monotonic()
        if answer.message is None and answer.whole and answer.last_event is not None and left > 0:
            answer = await self._resumed(answer, left, wanted)
        if answer.cut:
            raise Gone("the connection ended before its answer")
        reply = answer.reply(time.monotonic() - began)
        stream = answer.head is not None and answer.head.kind == EVENTS
        unanswered = answer.message is None and (stream or not answer.whole)
        return replace(reply, status=None) if unanswered else reply

    async def _exchanged(self, sent: bytes, within: float, wanted: Wanted) -> Answer:
        connection = await self.open(within)
        try:
            return await connection.exchange(sent, within, wanted)
        finally:
            connection.close()

    async def _resumed(self, answer: Answer, within: float, wanted: Wanted) -> Answer:
        """Take up a stream that the server closed before it had answered (MCP 2025-11-25, transports)."""
        end = time.monotonic() + within
        for _ in range(AGAIN):
            await asyncio.sleep(min((answer.retry or 0) / 1000, LONGEST_WAIT))
            left = end - time.monotonic()
            if left <= 0 or answer.message is not None or not answer.whole or answer.last_event is None:
                break
            sent = self.request_bytes("GET", headers={"last-event-id": answer.last_event})
            answer = await self._exchanged(sent, left, wanted)
        return answer

    async def _learns(self, within: float) -> bool:
        """Look up which headers its tools want; whether any does."""
        reply = await self._asked(self.message("tools/list"), within)
        self._mirrors = httpheaders.mirrors_of((reply.result or {}).get("tools"))
        return bool(self._mirrors)

    def _asked_back(self, message: dict[str, Any]) -> None:
        """The server asks its client for something."""
        if len(self._tasks) < ASKED and not is_modern(self.lane.version):
            task = asyncio.create_task(self._answered(answer(message)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answered(self, message: dict[str, Any]) -> None:
        try:
            await self.post(message, within=2.0)
        except (Gone, TimeoutError):
            return  # it asked, and does not listen


def _id_of(body: bytes | dict[str, Any]) -> Any:
    """The id whose answer is awaited; of what has none any answer."""
    message = body if isinstance(body, dict) else decoded(body) if len(body) < 2**20 else None
    return message.get("id", ANY) if isinstance(message, dict) else ANY
