"""A server on a real port in this process, and a client that knocks with raw bytes."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.calls import told
from support.peers import ENVELOPE, MODERN, HttpPeer

from holdfast import Context, Server
from holdfast.testing import settings_for
from holdfast.wire.http import serve

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


class Near(HttpPeer):
    """A peer of a server in this process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._number = 0


def knocked_at(base: Path, **settings: Any) -> Server:
    """A server with a tool that says who calls, and one that takes a scope."""
    given = {"log__file": base / "log", "http__port": 0, "limits__rate": "100000/second", **settings}
    server = Server("door", settings=settings_for(base, **given))

    @server.tool(read_only=True)
    async def whoami(ctx: Context) -> str:
        return ctx.principal.name

    @server.tool(read_only=True, scopes={"write"})
    async def scoped() -> str:
        return "written"

    return server


@asynccontextmanager
async def open_door(base: Path, **settings: Any) -> AsyncIterator[Near]:
    """The server in this loop; clients block, so they work in threads. SIGTERM ends it."""
    server = knocked_at(base, **settings)
    serving = asyncio.ensure_future(serve(server, server.load_settings()))
    url = (await told(base, '"transport": "http"'))["url"]
    try:
        yield Near(int(url.rpartition(":")[2].removesuffix("/mcp")))
    finally:
        if not serving.done():
            signal.raise_signal(signal.SIGTERM)
        assert await asyncio.wait_for(serving, 10) == 0


def bytes_of(port: int, sent: bytes, patience: float = 5.0) -> bytes:
    """Everything that comes back for what is sent, until the other end closes or is silent for a while."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(sent)
        try:
            while piece := connection.recv(65_536):
                got += piece
                connection.settimeout(0.15)
        except (TimeoutError, ConnectionError):
            pass
    return got


def statuses(answer: bytes) -> list[int]:
    """The statuses of the answers among these bytes."""
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) [A-Z]", answer)]


def tell(peer: HttpPeer, token: str | None, tool: str = "whoami") -> tuple[int, dict[str, str], Any]:
    """Call a tool in the modern era with a token: status, headers and the message or text of the answer."""
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": tool}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {}, "_meta": ENVELOPE},
    }
    status, kind, answer = peer.post(body, headers)
    text = answer.decode()
    if status != 200:
        return status, kind, text
    if kind["content-type"].startswith("text/event-stream"):
        text = [line for line in text.splitlines() if line.startswith("data:")][-1].removeprefix("data:")
    return status, kind, json.loads(text)
