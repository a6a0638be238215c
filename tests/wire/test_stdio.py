"""Strict lines in, whole lines out: what is refused, what is answered, and how a connection ends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.core.config import LimitSettings
from holdfast.wire import stdio
from holdfast.wire.messages import Message, message_bounds
from holdfast.wire.pipes import open_pipes
from holdfast.wire.stdio import Lines

BOUNDS = message_bounds(LimitSettings(message=10_000))


class Plain:
    """Hands messages through as they are, and remembers how to say that a request ends unanswered."""

    def __init__(self) -> None:
        self.unanswered: dict[Any, Callable[[], Any]] = {}

    def inbound(self, message: Message, unanswered: Callable[[], Any]) -> dict[str, Any]:
        """The body itself."""
        self.unanswered[message.body.get("id")] = unanswered
        return message.body

    def outbound(self, item: dict[str, Any]) -> dict[str, Any]:
        """The item itself."""
        return item


class Peer:
    """The client's end, and the lines that it talks to."""

    def __init__(self, theirs: socket.socket, lines: Lines, codec: Plain) -> None:
        self.theirs = theirs
        self.lines = lines
        self.codec = codec
        self._got = b""

    def send(self, *messages: Any) -> None:
        """Send each message (or raw bytes) as a line."""
        for message in messages:
            raw = message if isinstance(message, bytes) else json.dumps({"jsonrpc": "2.0", **message}).encode()
            self.theirs.sendall(raw + b"\n")

    async def reply(self) -> dict[str, Any]:
        """The next line of the server's."""
        loop = asyncio.get_running_loop()
        while b"\n" not in self._got:
            piece = await asyncio.wait_for(loop.sock_recv(self.theirs, 65_536), 5)
            assert piece, "the server has ended"
            self._got += piece
        line, _, self._got = self._got.partition(b"\n")
        found: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        return found


@asynccontextmanager
async def connected(limits: LimitSettings | None = None) -> AsyncIterator[Peer]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        intake, outlet = await open_pipes(ours.fileno(), ours.fileno(), 10_000)
        codec = Plain()
        async with Lines(intake, outlet, codec, BOUNDS) as lines:
            yield Peer(theirs, lines, codec)
        await outlet.close(0.2)
        await asyncio.sleep(0.01)


async def test_messages_arrive_and_answers_leave() -> None:
    async with connected() as peer:
        peer.send({"id": 1, "method": "ping"}, {"method": "notifications/x"}, {"id": 9, "result": {}})
        got = [await peer.lines.receive() for _ in range(3)]
        assert [item.get("method", "answer") for item in got] == ["ping", "notifications/x", "answer"]
        await peer.lines.send({"jsonrpc": "2.0", "id": 1, "result": {"x": 1}})
        assert (await peer.reply())["result"] == {"x": 1}


@pytest.mark.parametrize("other", [1, "1", "+1", " 1", "01", "0_1"])
async def test_an_id_under_way_is_refused_in_every_spelling_until_it_is_answered(other: Any) -> None:
    async with connected() as peer:
        peer.send({"id": 1, "method": "slow"}, {"id": other, "method": "ping"}, {"method": "last"})
        assert (await anext(peer.lines))["id"] == 1
        assert (await anext(peer.lines))["method"] == "last"
        refused = await peer.reply()
        assert (refused["id"], refused["error"]["code"]) == (None, -32600)
        await peer.lines.send({"jsonrpc": "2.0", "id": 1, "result": {}})
        await peer.reply()
        peer.send({"id": other, "method": "ping"})
        assert (await anext(peer.lines))["id"] == other


async def test_an_id_is_free_again_when_its_request_ended_without_an_answer() -> None:
    async with connected() as peer:
        peer.send({"id": "a", "method": "slow"})
        await anext(peer.lines)
        await peer.codec.unanswered["a"]()
        peer.send({"id": "a", "method": "again"}, {"method": "n"})
        assert (await anext(peer.lines))["method"] == "again"
        await anext(peer.lines)
        await peer.codec.unanswered[None]()


async def test_a_refusal_is_never_sent_under_the_id_of_a_request_under_way() -> None:
    async with connected() as peer:
        peer.send({"id": 5, "method": "slow"}, {"id": "5", "method": 7}, b'{"id": 5, "x"', {"id": 6, "method": 7})
        peer.send({"method": "n"})
        await anext(peer.lines)
        await anext(peer.lines)
        assert [(await peer.reply())["id"] for _ in range(3)] == [None, None, 6]
        assert peer.lines.refused == 3


async def test_an_overlong_line_is_refused_under_its_id() -> None:
    async with connected() as peer:
        peer.send({"id": 7, "method": "x", "params": {"a": "x" * 20_000}}, {"method": "next"})
        assert (await anext(peer.lines))["method"] == "next"
        refused = await peer.reply()
        assert (refused["id"], refused["error"]["code"]) == (7, -32700)
        assert "10000 bytes" in refused["error"]["message"]


async def test_a_flood_of_garbage_is_answered_a_hundred_times_a_second_and_then_only_counted() -> None:
    async with connected() as peer:
        peer.send(*[b"garbage"] * 150, {"method": "end"})
        assert (await anext(peer.lines))["method"] == "end"
        assert peer.lines.refused == 150
        for _ in range(stdio.MAX_COMPLAINTS):
            assert (await peer.reply())["error"]["code"] == -32700
        began, count = peer.lines._complaints
        peer.lines._complaints = (began - 1.0, count)  # a second later
        peer.send(b"garbage", {"method": "end"})
        await anext(peer.lines)
        assert (await peer.reply())["error"]["code"] == -32700


async def test_what_json_cannot_hold_leaves_as_something_that_it_can() -> None:
    async with connected() as peer:
        await peer.lines.send({"jsonrpc": "2.0", "id": 1, "result": {"a": float("nan"), "b": "caf\udce9"}})
        answer = await peer.reply()
        assert answer["result"] == {"a": None, "b": "caf\ufffd"}


async def test_a_client_that_does_not_read_gets_no_new_call_started_until_it_does() -> None:
    async with connected() as peer:
        sending = asyncio.ensure_future(peer.lines.send({"jsonrpc": "2.0", "id": 1, "result": {"x": "y" * 6_000_000}}))
        await asyncio.sleep(0.05)
        assert not sending.done()
        peer.send({"id": 2, "method": "ping"})
        waiting = asyncio.ensure_future(anext(peer.lines))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert len((await peer.reply())["result"]["x"]) == 6_000_000
        await sending
        assert (await waiting)["id"] == 2


async def test_a_client_that_neither_reads_nor_stays_ends_the_lines() -> None:
    async with connected() as peer:
        sending = asyncio.ensure_future(peer.lines.send({"jsonrpc": "2.0", "id": 1, "result": {"x": "y" * 6_000_000}}))
        await asyncio.sleep(0.05)
        peer.send({"id": 2, "method": "ping"})
        waiting = asyncio.ensure_future(anext(peer.lines, None))
        await asyncio.sleep(0.02)
        peer.theirs.shutdown(socket.SHUT_WR)
        assert await asyncio.wait_for(waiting, 4) is None, "what waits is not begun, as its answer could not leave"
        sending.cancel()


async def test_at_the_end_of_input_calls_under_way_get_their_time() -> None:
    async with connected() as peer:
        peer.send({"id": 1, "method": "slow"})
        await anext(peer.lines)
        peer.theirs.shutdown(socket.SHUT_WR)
        ending = asyncio.ensure_future(anext(peer.lines, None))
        await asyncio.sleep(0.05)
        assert not ending.done()
        await peer.lines.send({"jsonrpc": "2.0", "id": 1, "result": {}})
        assert await asyncio.wait_for(ending, 2) is None
        assert (await peer.reply())["id"] == 1


@pytest.mark.parametrize("drain", [0.05, 0])
async def test_but_not_longer_than_the_client_would_wait(drain: float) -> None:
    async with connected() as peer:
        peer.lines.drain = drain
        peer.send({"id": 1, "method": "never"})
        await anext(peer.lines)
        peer.theirs.shutdown(socket.SHUT_WR)
        assert await asyncio.wait_for(anext(peer.lines, None), 2) is None


async def test_requests_of_the_servers_own_are_no_answers() -> None:
    async with connected() as peer:
        peer.send({"id": 1, "method": "ask"})
        await anext(peer.lines)
        await peer.lines.send({"jsonrpc": "2.0", "id": 1, "method": "roots/list"})
        assert (await peer.reply())["method"] == "roots/list"
        peer.send({"id": 1, "method": "again"}, {"method": "n"})
        assert (await anext(peer.lines))["method"] == "n", "it is still under way"
        await peer.lines.send({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "x"}})
