"""A client at the far end of a real socket, and a conversation with a live server at the near end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.calls import living
from support.peers import ENVELOPE, MODERN
from support.waiting import PATIENCE, until

from holdfast import Server
from holdfast.live import Live
from holdfast.wire.conversation import Conversation
from holdfast.wire.messages import message_bounds
from holdfast.wire.pipes import Intake, Outlet, open_pipes
from holdfast.wire.stdio import Lines

CAPABILITIES: dict[str, Any] = {"elicitation": {}, "sampling": {}, "roots": {}}


class Far:
    """The client's end."""

    def __init__(self, theirs: socket.socket) -> None:
        self.theirs = theirs
        self.got = b""

    def send(self, *messages: Any) -> None:
        """Send each message (or raw bytes) as a line, all in one piece."""
        lines = [
            message if isinstance(message, bytes) else json.dumps({"jsonrpc": "2.0", **message}).encode()
            for message in messages
        ]
        self.theirs.sendall(b"".join(line + b"\n" for line in lines))

    def call(self, number: Any, tool: str, /, meta: Any = None, **arguments: Any) -> None:
        """Call a tool."""
        self.send(called(number, tool, meta, **arguments))

    def open(self, version: str = "2025-11-25") -> None:
        """Shake hands under the id 0, or show which era this is; the answer is the next to come."""
        if version == MODERN:
            self.send({"id": 0, "method": "server/discover", "params": {"_meta": ENVELOPE}})
            return
        self.send({"id": 0, "method": "initialize", "params": hello(version)})
        self.send({"method": "notifications/initialized"})

    async def reply(self) -> dict[str, Any]:
        """The next line of the server's; empty at its end."""
        while b"\n" not in self.got:
            piece = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.theirs, 65_536), PATIENCE)
            if not piece:
                return {}
            self.got += piece
        line, _, self.got = self.got.partition(b"\n")
        found: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        return found

    async def replies(self, count: int) -> dict[Any, dict[str, Any]]:
        """The next lines by their ids; each id once."""
        found = [await self.reply() for _ in range(count)]
        ids = [line.get("id") for line in found]
        assert len(set(ids)) == count, f"answered twice: {ids}"
        return dict(zip(ids, found, strict=True))

    def nothing(self) -> bool:
        """Whether the server has written nothing more so far."""
        with contextlib.suppress(BlockingIOError):
            self.got += self.theirs.recv(65_536)
        return not self.got

    def end(self) -> None:
        """Say nothing more, and go on reading."""
        self.theirs.shutdown(socket.SHUT_WR)


def hello(version: str = "2025-11-25", **more: Any) -> dict[str, Any]:
    """Parameters of ``initialize``."""
    return {
        "protocolVersion": version,
        "capabilities": CAPABILITIES,
        "clientInfo": {"name": "far", "version": "1"},
    } | more


def called(number: Any, tool: str, meta: Any = None, /, **arguments: Any) -> dict[str, Any]:
    """A ``tools/call``; ``meta`` is its ``_meta``, ``True`` that of 2026-07-28."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if meta is not None:
        params["_meta"] = ENVELOPE if meta is True else meta
    return {"id": number, "method": "tools/call", "params": params}


class Near:
    """The server's end: everything between the socket and the chain."""

    def __init__(self, live: Live, intake: Intake, outlet: Outlet, lines: Lines) -> None:
        self.live = live
        self.intake = intake
        self.outlet = outlet
        self.lines = lines
        self.sdk = 0
        """How often the SDK's server was built."""
        self.build: Callable[[], Any] = self._sdk
        self.conversation = Conversation(live, intake, outlet, lines, self._built)
        live.publisher = self.conversation
        self.serving: asyncio.Task[None] = asyncio.ensure_future(self.conversation.serve())

    def _built(self) -> Any:
        self.sdk += 1
        return self.build()

    def _sdk(self) -> Any:
        from holdfast.wire.sdk import SdkServer

        return SdkServer(self.live)


@asynccontextmanager
async def conversing(server: Server, version: str | None = "2025-11-25") -> AsyncIterator[tuple[Far, Near]]:
    """A client and a live server, with the opening behind them unless ``version`` is ``None``."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = asyncio.all_tasks()
    with ours, theirs:
        async with living(server) as live:
            intake, outlet = await open_pipes(ours.fileno(), ours.fileno(), 1_000_000)
            lines = Lines(intake, outlet, None, message_bounds(live.plant.loaded.settings.limits))
            far, near = Far(theirs), Near(live, intake, outlet, lines)
            if version is not None:
                far.open(version)
                assert (await far.reply())["id"] == 0
            try:
                yield far, near
            finally:
                intake.stop()
                await asyncio.wait_for(near.serving, PATIENCE)
                await outlet.close(0.2)
    await until(lambda: asyncio.all_tasks() <= before)  # no task outlives its connection
