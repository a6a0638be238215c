"""Sessions over HTTP in both eras, against a server that is told what to say to each request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from holdfast_attack.link import http
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Lane, Transport
from holdfast_attack.target.address import Address

LEGACY = Lane(Transport.HTTP, "2025-11-25")
MODERN = Lane(Transport.HTTP, "2026-07-28")
TOOLS = {
    "tools": [
        {"name": "regional", "inputSchema": {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}}
    ]
}
Message = dict[str, Any]


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Server:
    """``says`` gives status, body and headers for a request; None hangs up, and ... never answers."""

    says: Callable[[Asked], Any]
    asked: list[Asked] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Address]:
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self.talk(reader, writer)
            except (OSError, EOFError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield Address("127.0.0.1", server.sockets[0].getsockname()[1], "/mcp")
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:-2])
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        try:
            asked = Asked(method, path, headers, json.loads(body) if body else None)
        except ValueError:
            asked = Asked(method, path, headers, body)
        self.asked.append(asked)
        said = self.says(asked)
        if said is ...:
            await asyncio.sleep(60)
        if said is None:
            return
        status, data, more = said
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        fields = {"content-type": "application/json", "content-length": str(len(data))} | more
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in fields.items() if value)]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        await writer.drain()


def events(*messages: Message, ids: bool = False) -> tuple[int, bytes, dict[str, str]]:
    """An event stream that ends."""
    parts = [(f"id: {at}\n" if ids else "") + f"data: {json.dumps(one)}\n\n" for at, one in enumerate(messages)]
    return 200, "".join(parts).encode(), {"content-type": "text/event-stream"}


def result(asked: Asked, found: Message) -> Message:
    return {"jsonrpc": "2.0", "id": asked.body["id"], "result": found}


def greets(asked: Asked) -> Any:
    """What an honest server says; other requests give back their parameters."""
    method = (asked.body or {}).get("method") if isinstance(asked.body, dict) else None
    if asked.method != "POST":
        return 204, b"", {}
    if method == "initialize":
        return 200, result(asked, {"protocolVersion": "2025-06-18"}), {"mcp-session-id": "s-1"}
    if method is None or "id" not in asked.body:
        return 202, b"", {}
    found = {"server/discover": {"supportedVersions": []}, "tools/list": TOOLS}.get(method, {"given": asked.body})
    return 200, result(asked, found), {}


async def test_the_era_with_a_handshake_is_begun_and_ended_as_the_specification_wants_it() -> None:
    server = Server(greets)
    async with server.serving() as address:
        session = await HttpSession.connect(address, LEGACY, "secret")
        reply = await session.ask("ping")
        await session.close()
    hello, note, ping, end = server.asked
    assert hello.headers["authorization"] == "Bearer secret"
    assert {"mcp-session-id", "mcp-protocol-version"}.isdisjoint(hello.headers)
    assert (note.body, note.headers["mcp-session-id"]) == (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        "s-1",
    )
    assert ping.headers["mcp-protocol-version"] == "2025-06-18", "what was agreed upon"
    assert ping.headers["accept"] == "application/json, text/event-stream"
    assert (end.method, end.headers["mcp-session-id"], "content-type" in end.headers) == ("DELETE", "s-1", False)
    assert reply.result == {"given": ping.body}
    assert session.greeting == {"protocolVersion": "2025-06-18"}


async def test_the_other_era_says_everything_in_each_request() -> None:
    server = Server(greets)
    async with server.serving() as address:
        session = await HttpSession.connect(address, MODERN)
        await session.call("tool ä", {})
        await session.close()
    hello, call = server.asked
    assert hello.body["method"] == hello.headers["mcp-method"] == "server/discover"
    assert call.headers["mcp-protocol-version"] == "2026-07-28"
    assert call.headers["mcp-name"] == "=?base64?dG9vbCDDpA==?="
    assert call.body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"


async def test_who_does_not_greet_is_no_server() -> None:
    for said in ((401, b"", {}), (200, b"<html>", {}), None):
        async with Server(lambda asked, said=said: said).serving() as address:
            with pytest.raises(Gone):
                await HttpSession.connect(address, LEGACY)


async def test_several_requests_may_be_under_way() -> None:
    gate = asyncio.Barrier(20)

    class Together(Server):
        async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.asked:
                await gate.wait()
            await super().talk(reader, writer)

    server = Together(greets)
    async with server.serving() as address:
        session = await HttpSession.connect(address, MODERN)
        replies = await asyncio.gather(*(session.ask("x", {"n": number}) for number in range(20)))
    assert [reply.result["given"]["params"]["n"] for reply in replies if reply.result] == list(range(20))
    assert len({asked.body["id"] for asked in server.asked}) == 21


async def test_silence_is_a_reply_and_a_lost_connection_is_not() -> None:
    said: list[Any] = [...]
    server = Server(lambda asked: said[0] if asked.body.get("method") == "x" else greets(asked))
    async with server.serving() as address:
        session = await HttpSession.connect(address, LEGACY)
        assert (await session.ask("x", within=0.05)).silent
        said[0] = events({"jsonrpc": "2.0", "method": "note"})
        ended = await session.ask("x")
        assert (ended.silent, ended.notes) == (True, ({"jsonrpc": "2.0", "method": "note"},)), "no answer ever comes"
        for cut in (None, (200, b"{}", {"content-length": "100"})):
            said[0] = cut
            with pytest.raises(Gone):
                await session.ask("x")
        assert await session.alive()
        session.session_id = None
        await session.close()
    assert not await session.alive(0.5)


async def test_what_a_server_asks_its_client_is_refused() -> None:
    asks = {"jsonrpc": "2.0", "id": 77, "method": "sampling/createMessage"}
    refused: asyncio.Event = asyncio.Event()

    def says(asked: Asked) -> Any:
        if asked.body.get("method") == "x":
            return events({"jsonrpc": "2.0", "method": "note"}, asks, result(asked, {"done": True}))
        if asked.body.get("id") == 77:
            refused.set()
        return greets(asked)

    server = Server(says)
    async with server.serving() as address:
        session = await HttpSession.connect(address, LEGACY)
        reply = await session.ask("x")
        await asyncio.wait_for(refused.wait(), 5)
        await session.close()
    assert reply.result == {"done": True}
    assert len(reply.notes) == 2
    answer = next(asked.body for asked in server.asked if asked.body and asked.body.get("id") == 77)
    assert answer["error"]["code"] == -32601


async def test_a_session_that_has_ended_is_begun_anew() -> None:
    names = iter("ab")

    def says(asked: Asked) -> Any:
        if asked.body["method"] == "initialize":
            return 200, result(asked, {}), {"mcp-session-id": next(names)}
        return (404, b"", {}) if asked.headers.get("mcp-session-id") == "a" else greets(asked)

    server = Server(says)
    async with server.serving() as address:
        session = await HttpSession.connect(address, LEGACY)
        assert session.session_id == "a"
        assert (await session.ask("ping")).result is not None
        assert session.session_id == "b"


async def test_headers_that_a_tool_wants_are_looked_up_when_they_are_missed() -> None:
    def says(asked: Asked) -> Any:
        if asked.body["method"] == "tools/call" and "mcp-param-Region" not in asked.headers:
            return 400, {"jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": -32020, "message": "no"}}, {}
        return greets(asked)

    server = Server(says)
    async with server.serving() as address:
        session = await HttpSession.connect(address, MODERN)
        assert (await session.call("regional", {"region": "eu"})).result is not None
        assert (await session.call("regional", {})).code == -32020, "asked once more, and told the same"
    assert [asked.headers.get("mcp-param-Region") for asked in server.asked[1:4]] == [None, None, "eu"]


async def test_a_stream_that_closes_too_early_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LONGEST_WAIT", 0.01)

    def says(asked: Asked) -> Any:
        if asked.method == "GET":
            last = asked.headers["last-event-id"]
            note = b"id: two\nretry: 5000\ndata:\n\n"
            done = b'id: three\ndata: {"jsonrpc": "2.0", "id": 2, "result": {"done": true}}\n\n'
            return 200, {"one": note, "two": done}[last], {"content-type": "text/event-stream"}
        if asked.body.get("method") == "x":
            return 200, b"id: one\nretry: 1\ndata:\n\n", {"content-type": "text/event-stream"}
        return greets(asked)

    async with Server(says).serving() as address:
        session = await HttpSession.connect(address, LEGACY)
        assert (await session.ask("x")).result == {"done": True}


async def test_a_stream_is_not_taken_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LONGEST_WAIT", 0.0)
    never = (200, b"id: one\ndata:\n\n", {"content-type": "text/event-stream"})
    server = Server(lambda asked: never if asked.method == "GET" or asked.body.get("method") == "x" else greets(asked))
    async with server.serving() as address:
        session = await HttpSession.connect(address, LEGACY)
        assert (await session.ask("x")).silent
    assert sum(asked.method == "GET" for asked in server.asked) == http.AGAIN


async def test_a_request_can_be_anything() -> None:
    server = Server(greets)
    async with server.serving() as address:
        session = await HttpSession.connect(address, MODERN)
        posted = await session.post(b"\xff nonsense", headers={"Host": "evil.example", "Accept": None, "X-Y": "z"})
        got = await session.request("GET", path="/elsewhere", headers={"content-type": "x"})
        put = await session.request("PUT", body=b"{}")
        head = await session.request("HEAD")
    odd, get = server.asked[1], server.asked[2]
    assert (odd.body, odd.headers["host"], odd.headers["x-y"], "accept" in odd.headers) == (
        b"\xff nonsense",
        "evil.example",
        "z",
        False,
    )
    assert odd.headers["mcp-method"] == "tools/list"
    assert (get.method, get.path, get.headers["content-type"], "content-length" in get.headers) == (
        "GET",
        "/elsewhere",
        "x",
        False,
    )
    assert [reply.status for reply in (posted, got, put, head)] == [202, 204, 204, 204]


async def test_an_end_without_an_answer_is_gone_and_silence_is_not() -> None:
    said: list[Any] = [None]
    server = Server(lambda asked: greets(asked) if len(server.asked) == 1 else said[0])
    async with server.serving() as address:
        session = await HttpSession.connect(address, MODERN)
        with pytest.raises(Gone, match="hangs up"):
            await session.post(b"{}")
        with pytest.raises(Gone, match="hangs up"):
            await session.request("GET")
        said[0] = ...
        assert (await session.post(b"{}", within=0.05)).silent


async def test_of_a_stream_that_a_get_opens_only_the_head_is_waited_for() -> None:
    stands = (200, b"", {"content-type": "text/event-stream", "content-length": ""})

    class Standing(Server):
        async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await super().talk(reader, writer)
            if self.asked[-1].method == "GET":
                await asyncio.sleep(60)

    server = Standing(lambda asked: stands if asked.method == "GET" else greets(asked))
    async with server.serving() as address:
        session = await HttpSession.connect(address, LEGACY)
        reply = await asyncio.wait_for(session.request("GET"), 5)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")


async def test_closing_ends_the_server_that_was_started_for_it() -> None:
    class Ours:
        ended = 0

        async def end(self) -> None:
            self.ended += 1

    server = Server(greets)
    async with server.serving() as address:
        session = await HttpSession.connect(address, LEGACY)
        session.server = ours = Ours()  # type: ignore[assignment]
        await session.close()
    assert ours.ended == 1
    assert "DELETE" not in [asked.method for asked in server.asked]


async def test_closing_is_no_trouble_when_nobody_is_there() -> None:
    async with Server(greets).serving() as address:
        session = await HttpSession.connect(address, LEGACY)
    await session.close()


def test_an_address_of_six_has_brackets() -> None:
    assert HttpSession(Address("::1", 80, "/mcp"), MODERN).authority == "[::1]:80"
