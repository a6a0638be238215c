"""A sound HTTP server in the test's own process, whose rules are methods, and the probe that cases play it with."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from holdfast_attack.cases import case_of
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Lane, Transport
from holdfast_attack.play.probe import Honest
from holdfast_attack.target.address import Address
from holdfast_attack.tools import Toolbox, World

LEGACY = Lane(Transport.HTTP, "2025-11-25")
MODERN = Lane(Transport.HTTP, "2026-07-28")
TOKEN = "Token-of-the-tests-0001"
META = "io.modelcontextprotocol/protocolVersion"
READS = {"readOnlyHint": True}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
SECONDS = {"type": "object", "properties": {"seconds": {"type": "number"}}, "required": ["seconds"]}
TOOLS = [
    {"name": "echo", "description": "Give a text back.", "annotations": READS, "inputSchema": TEXT},
    {"name": "sleep", "description": "Wait for some seconds.", "annotations": READS, "inputSchema": SECONDS},
]
Message = dict[str, Any]


class Refused(Exception):
    """An answer that is no result."""

    def __init__(self, status: int, body: Message | bytes = b"", **headers: str) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def error(code: int, number: Any = None, message: str = "refused") -> Message:
    """A JSON-RPC error."""
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


@dataclass
class Head:
    """Request line and fields."""

    method: str
    path: str
    version: str
    fields: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Peer:
    """A fault is a subclass that overrides one rule."""

    BODY, HEAD = 2**20, 16_384
    PATIENCE = 5.0
    STREAMS = False

    def __init__(self, lane: Lane = LEGACY, token: str | None = None) -> None:
        self.lane, self.token, self.port = lane, token, 0
        self.sessions: set[str] = set()
        self.under_way: set[Any] = set()
        self._open: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Address]:
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0, limit=2**24)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield Address("127.0.0.1", self.port, "/mcp")
        finally:
            server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self.exchange(reader, writer):
                pass
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            with suppress(OSError):
                writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether another may follow."""
        try:
            async with asyncio.timeout(self.PATIENCE):
                head = await self.head(reader)
                self.judge(head)
                body = await self.body(head, reader)
            status, data, headers = await self.answered(head, body, writer)
            keeps = head.version == "HTTP/1.1" and self.keeps(head)
        except Refused as refused:
            status, data, headers, keeps = refused.status, refused.body, refused.headers, False
        if status:
            self.write(writer, status, data, headers)
            await writer.drain()
        return keeps

    def keeps(self, head: Head) -> bool:
        """Whether the connection stays open."""
        return True

    def write(self, writer: asyncio.StreamWriter, status: int, data: bytes, headers: dict[str, str]) -> None:
        usual = {"content-length": str(len(data))} | ({"content-type": "application/json"} if data else {})
        lines = [
            f"HTTP/1.1 {status} x",
            *(f"{name}: {value}" for name, value in (usual | self.always() | headers).items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)

    def always(self) -> dict[str, str]:
        """Fields of every answer."""
        return {}

    async def head(self, reader: asyncio.StreamReader) -> Head:
        raw = await self.lines(reader)
        first, *rest = raw.decode("latin-1").split("\r\n")[:-2]
        method, path, version = first.split(" ")
        fields = []
        for line in rest:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip() or not name:
                raise Refused(400)
            fields.append((name.lower(), value.strip()))
        return Head(method, path, version, fields)

    async def lines(self, reader: asyncio.StreamReader) -> bytes:
        """Up to the empty line."""
        raw = b""
        while not raw.endswith(b"\r\n\r\n"):
            raw += await reader.readuntil(b"\r\n")
            if len(raw) > self.HEAD:
                raise Refused(431)
        return raw

    def judge(self, head: Head) -> None:
        """Every rule that needs no body."""
        self.host(head)
        self.origin(head.get("origin"))
        self.path(head.path)
        self.authorized(head)
        if head.method == "TRACE":
            self.trace(head)
        if head.method not in self.methods():
            raise Refused(405)
        if self.sent_version(head) not in (None, self.lane.version):
            raise Refused(400)
        if head.method == "POST":
            self.kind(head.get("content-type"))

    def methods(self) -> tuple[str, ...]:
        return ("POST", "DELETE", "GET") if self.STREAMS else ("POST", "DELETE")

    def host(self, head: Head) -> None:
        hosts = head.all("host")
        if len(hosts) != 1:
            raise Refused(400)
        if hosts[0] != f"127.0.0.1:{self.port}":
            raise Refused(403)

    def origin(self, origin: str | None) -> None:
        if origin not in (None, f"http://127.0.0.1:{self.port}"):
            raise Refused(403)

    def path(self, path: str) -> None:
        if path.partition("?")[0] != "/mcp":
            raise Refused(404)

    def authorized(self, head: Head) -> None:
        if self.token is not None and head.get("authorization") != f"Bearer {self.token}":
            raise Refused(401, **{"www-authenticate": "Bearer"})

    def trace(self, head: Head) -> None:
        """Nothing is repeated."""

    def sent_version(self, head: Head) -> str | None:
        return head.get("mcp-protocol-version")

    def kind(self, kind: str | None) -> None:
        if kind != "application/json":
            raise Refused(415)

    async def body(self, head: Head, reader: asyncio.StreamReader) -> bytes:
        coding, lengths = head.all("transfer-encoding"), head.all("content-length")
        if coding:
            if lengths or coding != ["chunked"]:
                raise Refused(400)
            return await self.chunks(reader)
        if len(lengths) > 1 or (lengths and not re.fullmatch(r"[0-9]{1,9}", lengths[0])):
            raise Refused(400)
        return await self.counted(int(lengths[0]) if lengths else 0, reader)

    async def counted(self, size: int, reader: asyncio.StreamReader) -> bytes:
        if size > self.BODY:
            raise Refused(413)
        return await reader.readexactly(size)

    async def chunks(self, reader: asyncio.StreamReader) -> bytes:
        whole = b""
        while size := self.chunk((await reader.readuntil(b"\r\n"))[:-2]):
            if len(whole) + size > self.BODY:
                raise Refused(413)
            whole += await reader.readexactly(size)
            if await reader.readexactly(2) != b"\r\n":
                raise Refused(400)
        await reader.readuntil(b"\r\n")
        return whole

    def chunk(self, text: bytes) -> int:
        if not re.fullmatch(rb"[0-9a-f]{1,8}", text):
            raise Refused(400)
        return int(text, 16)

    async def answered(
        self, head: Head, body: bytes, writer: asyncio.StreamWriter
    ) -> tuple[int, bytes, dict[str, str]]:
        if head.method == "DELETE":
            return self.deleted(head), b"", {}
        if head.method == "GET":
            return await self.stream(head, writer)
        message = self.parse(body)
        self.check(message)
        if self.lane is MODERN and "id" in message:
            self.agree(head, message)
        headers = {"mcp-session-id": self.session(head, message)} if self.lane is LEGACY else {}
        if "id" not in message:
            return *self.accepted(), {}
        found = await self.alone(message)
        return self.status(found), self.rendered(found), headers if message["method"] == "initialize" else {}

    async def stream(self, head: Head, writer: asyncio.StreamWriter) -> tuple[int, bytes, dict[str, str]]:
        """Stands open until the client leaves."""
        writer.write(b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\n\r\n: here\n\n")
        await asyncio.sleep(60)
        return 0, b"", {}

    def accepted(self) -> tuple[int, bytes]:
        return 202, b""

    def status(self, message: Message) -> int:
        return 400 if message.get("error", {}).get("code") == -32600 else 200

    def rendered(self, message: Message) -> bytes:
        return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")

    def parse(self, body: bytes) -> Any:
        try:
            if body.count(b"{") > 10_000:
                raise ValueError
            return json.loads(body.decode())
        except (ValueError, RecursionError):
            raise Refused(400, error(-32700)) from None

    def check(self, message: Any) -> None:
        number = message.get("id") if isinstance(message, dict) else None
        sound = isinstance(message, dict) and message.get("jsonrpc") == "2.0" and isinstance(message.get("method"), str)
        if not sound or not isinstance(number, int | str | None) or not isinstance(message.get("params", {}), dict):
            raise Refused(400, error(-32600))

    def agree(self, head: Head, message: Message) -> None:
        params = message.get("params", {})
        said = {"mcp-method": message["method"], "mcp-protocol-version": params.get("_meta", {}).get(META)}
        if message["method"] == "tools/call":
            said["mcp-name"] = params.get("name")
        for name, value in said.items():
            if [self.plain(one) for one in head.all(name)] != [value]:
                raise Refused(400, error(-32020, message["id"]))

    def plain(self, value: str) -> str | None:
        if not value.startswith("=?base64?"):
            return value
        with suppress(ValueError):
            return base64.b64decode(value[9:-2], validate=True).decode()
        return None

    def session(self, head: Head, message: Message) -> str:
        if message["method"] == "initialize":
            return self.begun()
        given = head.get("mcp-session-id")
        if given not in self.sessions:
            raise Refused(404)
        return str(given)

    def begun(self) -> str:
        name = self.name()
        self.sessions.add(name)
        return name

    def name(self) -> str:
        return secrets.token_hex(16)

    def deleted(self, head: Head) -> int:
        given = head.get("mcp-session-id")
        if given not in self.sessions:
            return 404
        self.sessions.discard(str(given))
        return 204

    async def alone(self, message: Message) -> Message:
        return await self.done(message)

    async def done(self, message: Message) -> Message:
        """The answer to a request."""
        method, params, number = message["method"], message.get("params", {}), message["id"]
        results: dict[str, Any] = {
            "initialize": {"protocolVersion": LEGACY.version},
            "server/discover": {"supportedVersions": [MODERN.version]},
            "tools/list": {"tools": TOOLS},
        }
        if method == "tools/call":
            return await self.called(params, number)
        return (
            {"jsonrpc": "2.0", "id": number, "result": results[method]} if method in results else error(-32601, number)
        )

    async def called(self, params: Message, number: Any) -> Message:
        arguments = params.get("arguments", {})
        if params.get("name") == "sleep":
            await asyncio.sleep(float(arguments["seconds"]))
        if params.get("name") not in ("echo", "sleep"):
            return error(-32602, number)
        text = self.echoed(str(arguments.get("text", "")))
        return {"jsonrpc": "2.0", "id": number, "result": {"content": [{"type": "text", "text": text}]}}

    def echoed(self, text: str) -> str:
        return text


@dataclass
class Played:
    """Stands for a probe."""

    session: HttpSession
    full: bool = False
    token: str | None = None
    tools: Toolbox = field(default_factory=lambda: Toolbox.parse(TOOLS))
    honest: dict[str, Honest] = field(default_factory=dict)
    allow_writes: bool = False
    started: bool = False
    left: float = 60.0
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.lane = self.session.lane
        self.arena = SimpleNamespace(world=World())
        said = {"jsonrpc": "2.0", "id": 0, "result": {"content": [{"type": "text", "text": "hello"}]}}
        worked = Reply(said, encoded(said))
        known = {"echo": Honest({"text": "hello"}, worked), "sleep": Honest({"seconds": 0.01}, worked)}
        self.honest = known | self.honest

    async def http(self) -> HttpSession:
        return self.session

    @asynccontextmanager
    async def fresh_http(self) -> AsyncIterator[HttpSession]:
        session = await HttpSession.connect(self.session.address, self.lane, self.token)
        session.tree = self.session.tree
        try:
            yield session
        finally:
            await session.close()

    async def call(self, tool: str, arguments: Any, *, within: float = 5.0) -> Reply:
        return await self.session.call(tool, arguments, within=within)


async def play(name: str, peer: Peer, tree: Any = None, **more: Any) -> int:
    """Play the case ``name`` against ``peer``."""
    async with peer.serving() as address:
        session = await HttpSession.connect(address, peer.lane, peer.token)
        session.tree = tree
        try:
            return await case_of(name).play(Played(session, token=peer.token, **more))  # type: ignore[arg-type]
        finally:
            await session.close()
