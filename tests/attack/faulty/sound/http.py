"""The server over HTTP: one message a POST, answered with JSON on the same connection."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sound.calls import Call, Peer
from sound.errors import HttpRefused, Refused
from sound.protocol import META
from sound.requests import Gone, Head, Incoming

if TYPE_CHECKING:
    from sound.server import Sound

OF_CODE = dict.fromkeys((-32700, -32600, -32602, -32020, -32022), 400) | {-32601: 404, -32000: 429}
CONNECTIONS = 512
SLOW = 10.0  # seconds that a client may take to take an answer


@dataclass(slots=True)
class Answer:
    """Status, body and headers."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Http:
    """Many clients; each request of a connection is judged by itself."""

    incoming = Incoming

    def __init__(self, server: Sound) -> None:
        self.server = server
        self.open: set[asyncio.Task[Any]] = set()

    async def serve(self, port: int) -> None:
        """Until a signal comes."""
        listening = await asyncio.start_server(self.connected, "127.0.0.1", port, limit=65_536, backlog=128)
        self.server.port = listening.sockets[0].getsockname()[1]
        await self.server.stopping.wait()
        listening.close()
        for task in self.open:
            task.cancel()
        if self.open:
            await asyncio.wait(self.open, timeout=0.5)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as long as it is worth it."""
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        try:
            incoming = self.incoming(reader, self.server.LINE)
            if len(self.open) > CONNECTIONS:
                await self.write(writer, Answer(503, headers={"Retry-After": "1"}), keeps=False)
                await self.linger(incoming, writer)
                return
            while await self.exchange(incoming, writer):
                pass
        except (Gone, ConnectionError, TimeoutError, asyncio.CancelledError):
            pass  # nobody is there to be told, or nobody will be
        finally:
            self.open.discard(task)
            writer.close()

    async def exchange(self, incoming: Incoming, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether another may follow."""
        try:
            head = await incoming.head()
            answer, keeps = await self.answer(head, incoming, writer), head.keeps
        except HttpRefused as refused:
            body = json.dumps({"error": refused.message}).encode()
            answer, keeps = Answer(refused.status, body, dict(refused.headers)), False
        await self.write(writer, answer, keeps)
        if not keeps:
            await self.linger(incoming, writer)
        return keeps

    async def write(self, writer: asyncio.StreamWriter, answer: Answer, keeps: bool) -> None:
        """The answer; a client that does not take it is left."""
        kind = {"Content-Type": "application/json"} if answer.body else {}
        headers = {"Content-Length": str(len(answer.body)), **self.server.always(), **kind, **answer.headers}
        headers |= {} if keeps else {"Connection": "close"}
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
        async with asyncio.timeout(SLOW):
            await writer.drain()

    async def linger(self, incoming: Incoming, writer: asyncio.StreamWriter) -> None:
        """Take a little of what is still coming: closing on unread bytes would take the answer away too."""
        with suppress(Gone, OSError, TimeoutError):
            writer.write_eof()
            async with asyncio.timeout(1.0):
                while True:
                    incoming.buffer.clear()
                    await incoming.more()

    async def answer(self, head: Head, incoming: Incoming, writer: asyncio.StreamWriter) -> Answer:
        """Raises ``HttpRefused``."""
        length = incoming.framing(head)
        self.server.enter_http(head)
        if head.method == "DELETE":
            self.server.deleted(head)
            return Answer(204)
        if head.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await incoming.body(length)
        try:
            return await self.posted(head, self.server.parse(body), incoming)
        except Refused as refused:
            return self.refusal(refused, modern=self.server.says_modern(head))

    def refusal(self, refused: Refused, *, modern: bool) -> Answer:
        """An error as an answer. Before 2026-07-28 a 404 says that the session is over, so no error may have it."""
        status = OF_CODE.get(refused.code, 200)
        if not modern and (refused.code == -32601 or refused.id is not None) and status != 429:
            status = 200
        later = {"Retry-After": "1"} if status == 429 else {}
        return Answer(status, self.server.rendered(self.server.refusal(refused) or {}), later)

    async def posted(self, head: Head, message: dict[str, Any], incoming: Incoming) -> Answer:
        """One message."""
        params = message.get("params", {})
        enveloped = isinstance(params.get("_meta"), dict) and META + "protocolVersion" in params["_meta"]
        if self.server.says_modern(head) or enveloped:
            if "id" in message and "method" in message:
                self.server.agree(head, message)
            return await self.taken(self.server.fresh_peer(), message, incoming)
        if message.get("method") == "initialize":
            return self.greeted(message)
        session = self.server.session(head.headers.get("mcp-session-id"))
        return await self.taken(session.peer, message, incoming)

    def greeted(self, message: dict[str, Any]) -> Answer:
        """A handshake, which begins a session when it succeeds."""
        session = self.server.begin_session()
        try:
            answer = self.server.take(session.peer, message)
        except Refused:
            self.server.end_session(session.id)
            raise
        if answer is None:
            self.server.end_session(session.id)
            return Answer(202)
        return Answer(200, self.server.rendered(answer), {"Mcp-Session-Id": session.id})

    async def taken(self, peer: Peer, message: dict[str, Any], incoming: Incoming) -> Answer:
        """A message of a client that is known."""
        taken = self.server.take(peer, message)
        if taken is None:
            return Answer(202)
        if isinstance(taken, Call):
            taken = await self.called(peer, taken, incoming)
        return Answer(200, self.server.rendered(taken))

    async def called(self, peer: Peer, call: Call, incoming: Incoming) -> dict[str, Any]:
        """The answer to a call, which is cancelled when its client leaves."""
        run = asyncio.create_task(self.server.run(peer, call))
        gone = asyncio.create_task(incoming.gone())
        try:
            await asyncio.wait({run, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not run.done():
                raise Gone
            cancelled = {"code": -32000, "message": "the call was cancelled"}
            return run.result() or {"jsonrpc": "2.0", "id": call.id, "error": cancelled}
        finally:
            gone.cancel()
            self.server.left(call, run)
            with suppress(asyncio.CancelledError):
                await gone
