"""A server on a real port: sessions, principals, resumption, refusals, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel
from support.calls import told
from support.peers import ENVELOPE, HttpPeer, code_of, text_of
from support.talks import HandshakeHttpTalk, ModernHttpTalk, call, lines_of, raw

from holdfast import Context, Server
from holdfast.errors import ConfigurationError
from holdfast.testing import settings_for
from holdfast.wire.http import bind, hosts_of, serve, url_of

TOKENS = {"ada": "token-of-ada-0001", "eve": {"token": "token-of-eve-0002", "scopes": ["read"]}}
ADA = {"authorization": "Bearer token-of-ada-0001"}
EVE = {"authorization": "Bearer token-of-eve-0002"}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}


class Name(BaseModel):
    """What is asked."""

    name: str


class Near(HttpPeer):
    """A peer of a server in this process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._number = 0


def offering(base: Path, life: list[str], **settings: Any) -> Server:
    """A server with what these tests call."""

    @asynccontextmanager
    async def lifespan(_: Server) -> AsyncIterator[None]:
        life.append("begins")
        try:
            yield
        finally:
            await asyncio.sleep(0.02)
            life.append("ends")

    given = {"log__file": base / "log", "http__port": 0, "limits__rate": "100000/second", **settings}
    server = Server("web", settings=settings_for(base, **given), lifespan=lifespan)

    @server.tool(read_only=True)
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def slow(seconds: float) -> str:
        life.append("slow")
        await asyncio.sleep(seconds)
        return "slept"

    @server.tool(read_only=True, scopes={"write"})
    async def scoped() -> str:
        return "written"

    @server.tool(read_only=True)
    async def whoami(ctx: Context) -> str:
        return ctx.principal.name

    @server.tool
    async def who(ctx: Context) -> str:
        answer = await ctx.elicit("Who?", Name)
        return answer.data.name if answer.data else answer.action

    @server.tool
    async def reconnect(ctx: Context) -> str:
        await ctx.close_stream()
        life.append("closed")
        return "after the gap"

    return server


@asynccontextmanager
async def open_server(base: Path, life: list[str] | None = None, **settings: Any) -> AsyncIterator[Near]:
    """The server in this loop; clients block, so they work in threads. SIGTERM ends it."""
    server = offering(base, [] if life is None else life, **settings)
    serving = asyncio.ensure_future(serve(server, server.load_settings()))
    url = (await told(base, '"transport": "http"'))["url"]
    try:
        yield Near(int(url.rpartition(":")[2].removesuffix("/mcp")))
    finally:
        if not serving.done():
            signal.raise_signal(signal.SIGTERM)
        assert await asyncio.wait_for(serving, 10) == 0


def within(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do blocking work beside the loop."""
    return asyncio.to_thread(work, *arguments)


async def test_calls_are_answered_in_both_eras_and_pages_beside_them(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        for talk in (HandshakeHttpTalk(peer), ModernHttpTalk(peer)):
            assert call(talk, "add", a=2, b=40)["structuredContent"] == {"result": 42}
            assert text_of(call(talk, "whoami")) == "anonymous"
        assert peer.get("/readyz")[0] == 200
        assert peer.raw("HEAD", "/health", None, {})[::2] == (200, b"")
        assert peer.get("/nope")[0] == 404
        assert peer.get("/livez", Host="evil.example")[0] == 403
        assert peer.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"origin": "https://evil.example"})[0] == 403
        assert peer.raw("PUT", "/mcp", b"", {})[0] == 405
        assert "server" not in peer.get("/livez")[1], "nothing tells what runs here"

    async with open_server(tmp_path) as peer:
        await within(visit, peer)


async def test_leaving_ends_standing_streams_answers_calls_under_way_and_closes_everything(tmp_path: Path) -> None:
    life: list[str] = []
    async with open_server(tmp_path, life) as peer:
        talk = await within(HandshakeHttpTalk, peer)
        news = await within(talk.listen)
        modern = ModernHttpTalk(peer)
        listening = await within(modern.open, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        under_way = asyncio.ensure_future(within(lambda: call(talk, "slow", seconds=0.4)))
        while "slow" not in life:
            await asyncio.sleep(0.005)
        begun = time.monotonic()
        signal.raise_signal(signal.SIGTERM)
        assert text_of(await under_way) == "slept"
        signal.raise_signal(signal.SIGTERM)
        for stream in (news, listening):
            await within(list, stream)
            stream.close()
    assert time.monotonic() - begun < 4
    assert life == ["begins", "slow", "ends"]


async def test_an_interrupt_is_a_good_end_too(tmp_path: Path) -> None:
    server = offering(tmp_path, [])
    serving = asyncio.ensure_future(serve(server, server.load_settings()))
    await told(tmp_path, '"transport": "http"')
    signal.raise_signal(signal.SIGINT)
    assert await asyncio.wait_for(serving, 10) == 0


async def test_tokens_are_principals_with_their_scopes(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        status, headers, body = peer.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert b"token-of" not in body
        for who, headers_of, allowed in (("ada", ADA, ""), ("eve", EVE, "access.denied")):
            for talk in (ModernHttpTalk(peer, **headers_of), HandshakeHttpTalk(peer, **headers_of)):
                assert text_of(call(talk, "whoami")) == who
                assert code_of(call(talk, "scoped")) == allowed
        assert peer.get("/health")[0] == 401
        assert peer.get("/livez")[0] == 200

    async with open_server(tmp_path, auth__tokens=TOKENS) as peer:
        await within(visit, peer)


async def test_a_session_belongs_to_whoever_opened_it(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        ada, eve = HandshakeHttpTalk(peer, **ADA), HandshakeHttpTalk(peer, **EVE)
        assert text_of(call(ada, "whoami")) == "ada"
        stolen = ada.headers | EVE
        ping = {"jsonrpc": "2.0", "id": 50, "method": "ping"}
        assert peer.post(ping, stolen)[0] == 404
        assert peer.raw("GET", "/mcp", None, stolen | {"accept": "text/event-stream"})[0] == 404
        assert peer.raw("DELETE", "/mcp", None, stolen)[0] == 404
        assert text_of(call(ada, "whoami")) == "ada", "and it is still there"
        assert text_of(call(eve, "whoami")) == "eve"

    async with open_server(tmp_path, auth__tokens=TOKENS) as peer:
        await within(visit, peer)


async def test_nobody_can_resume_anothers_stream(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        ada, eve = HandshakeHttpTalk(peer, **ADA), HandshakeHttpTalk(peer, **EVE)
        ada.number = eve.number = 6
        assert text_of(call(ada, "whoami")) == "ada"
        for number in range(1, 40):
            with eve.listen(f"7#{number}") as stream:
                assert [line for line in lines_of(stream.response) if "ada" in line] == []

    async with open_server(tmp_path, auth__tokens=TOKENS) as peer:
        await within(visit, peer)


async def test_a_client_that_lost_its_stream_resumes_it_and_gets_the_answer(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        talk = HandshakeHttpTalk(peer)
        with talk.open("tools/call", {"name": "reconnect", "arguments": {}}) as stream:
            lines = list(lines_of(stream.response))
        assert "after the gap" not in "".join(lines), "the server ended the stream first"
        (last,) = [line.removeprefix("id:").strip() for line in lines if line.startswith("id:")]
        with talk.listen(last) as stream:
            answer = next(message for message in stream if "result" in message)
        assert text_of(answer["result"]) == "after the gap"

    life: list[str] = []
    async with open_server(tmp_path, life) as peer:
        await within(visit, peer)
    assert "closed" in life


async def test_what_the_client_carries_is_bound_to_its_principal(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        ada, eve = ModernHttpTalk(peer, **ADA), ModernHttpTalk(peer, **EVE)
        params = {"name": "who", "arguments": {}}
        state = ada.once("tools/call", params, {})["result"]["requestState"]
        responses = {"q1": {"action": "accept", "content": {"name": "A"}}}
        answered = {**params, "requestState": state, "inputResponses": responses}
        refused = eve.once("tools/call", answered, {})
        assert refused["error"]["code"] == -32602
        assert text_of(ada.once("tools/call", answered, {})["result"]) == "A"

    async with open_server(tmp_path, auth__tokens=TOKENS) as peer:
        await within(visit, peer)


async def test_state_sealed_with_the_operators_key_outlives_a_restart(tmp_path: Path) -> None:
    params = {"name": "who", "arguments": {}}
    responses = {"q1": {"action": "accept", "content": {"name": "Ada"}}}
    key = "k" * 40
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with open_server(tmp_path / "one", secrets__keys=(key,)) as peer:
        first = await within(ModernHttpTalk(peer).once, "tools/call", params, {})
    answered = {**params, "requestState": first["result"]["requestState"], "inputResponses": responses}
    async with open_server(tmp_path / "two", secrets__keys=(key,)) as peer:
        assert text_of((await within(ModernHttpTalk(peer).once, "tools/call", answered, {}))["result"]) == "Ada"


async def test_a_session_ends_when_its_client_says_so(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        talk = HandshakeHttpTalk(peer)
        assert peer.raw("DELETE", "/mcp", None, talk.headers)[0] == 200
        ping = {"jsonrpc": "2.0", "id": 5, "method": "ping"}
        assert peer.post(ping, talk.headers)[0] == 404
        assert peer.post(ping, talk.headers | {"mcp-session-id": "made-up"})[0] == 404
        assert peer.post(ping)[0] == 400

    async with open_server(tmp_path) as peer:
        await within(visit, peer)


async def test_sessions_are_bounded_and_idle_ones_make_room(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        HandshakeHttpTalk(peer)
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
        assert peer.post(hello)[0] == 503
        end = time.monotonic() + 5
        while peer.post(hello)[0] == 503:
            assert time.monotonic() < end

    async with open_server(tmp_path, http__sessions=1, http__session_idle=0.3) as peer:
        await within(visit, peer)


async def test_two_requests_of_a_session_under_one_id_do_not_hold_each_other_up(tmp_path: Path) -> None:
    life: list[str] = []
    async with open_server(tmp_path, life) as peer:
        talk = await within(HandshakeHttpTalk, peer)
        first = asyncio.ensure_future(within(lambda: call(talk, "slow", seconds=0.3)))
        while "slow" not in life:
            await asyncio.sleep(0.005)
        again = {"jsonrpc": "2.0", "id": talk.number, "method": "ping"}
        status, _, body = await within(peer.post, again, talk.headers)
        assert (status, json.loads(body)["error"]["code"]) == (400, -32600)
        assert text_of(await first) == "slept"


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"content-type": "text/plain"}, (400, 415)),
        ({"accept": "text/html"}, (406,)),
        ({"mcp-protocol-version": "1999-01-01"}, (400,)),
        ({"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}, (400,)),
    ],
)
async def test_headers_that_do_not_fit_are_refused(
    tmp_path: Path, headers: dict[str, str], status: tuple[int, ...]
) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "_meta": ENVELOPE}}
    async with open_server(tmp_path) as peer:
        assert (await within(peer.post, ping, headers))[0] in status


async def test_bodies_that_are_too_large_or_too_slow_are_refused_and_the_connection_closed(tmp_path: Path) -> None:
    head = "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    head += "Content-Length: {size}\r\n\r\n"

    async with open_server(tmp_path, http__receive_timeout=0.3, limits__message=10_000) as peer:
        begun = head.format(port=peer.port, size=100).encode() + b'{"jsonrpc"'
        assert b"408" in (await within(raw, peer.port, begun)).split(b"\r\n")[0]
        large = head.format(port=peer.port, size=400_000_000).encode() + b" " * 200_000
        assert b"413" in (await within(raw, peer.port, large, 1.0)).split(b"\r\n")[0]
        assert await within(raw, peer.port, b"GET /livez HTTP/1.1\r\nHost: ") == b"", "and headers that never end"
        assert (await within(peer.get, "/livez"))[0] == 200


async def test_answers_may_be_plain_json_and_sessions_may_be_done_without(tmp_path: Path) -> None:
    def visit(peer: Near) -> None:
        request = {"name": "add", "arguments": {"a": 1, "b": 2}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": request}
        status, headers, answer = peer.post(body, {"mcp-protocol-version": "2025-11-25"})
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(answer)["result"]["structuredContent"] == {"result": 3}
        assert "mcp-session-id" not in headers
        assert call(ModernHttpTalk(peer), "add", a=1, b=2)["structuredContent"] == {"result": 3}

    async with open_server(tmp_path, http__stateless=True, http__json_response=True) as peer:
        await within(visit, peer)


async def test_too_many_requests_at_once_are_told_to_come_back(tmp_path: Path) -> None:
    life: list[str] = []
    async with open_server(tmp_path, life, http__connections=1) as peer:
        talk = await within(HandshakeHttpTalk, peer)
        first = asyncio.ensure_future(within(lambda: call(talk, "slow", seconds=0.4)))
        while "slow" not in life:
            await asyncio.sleep(0.005)
        assert (await within(peer.get, "/health"))[0] == 503
        assert (await within(peer.get, "/livez"))[0] == 200
        assert text_of(await first) == "slept"


async def test_it_can_be_reached_over_ipv6(tmp_path: Path) -> None:
    try:
        bind("::1", 0).close()
    except ConfigurationError:
        pytest.skip("no IPv6 here")
    server = offering(tmp_path, [], http__host="::1")
    serving = asyncio.ensure_future(serve(server, server.load_settings()))
    url = (await told(tmp_path, '"transport": "http"'))["url"]
    assert url.startswith("http://[::1]:")
    port = int(url.rpartition(":")[2].removesuffix("/mcp"))
    reader, writer = await asyncio.open_connection("::1", port)
    writer.write(f"GET /livez HTTP/1.1\r\nHost: [::1]:{port}\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.read()).endswith(b"ok\n")
    writer.close()
    signal.raise_signal(signal.SIGTERM)
    assert await asyncio.wait_for(serving, 10) == 0


async def test_a_lifespan_that_fails_leaves_no_socket_behind(tmp_path: Path) -> None:
    @asynccontextmanager
    async def broken(_: Server) -> AsyncIterator[None]:
        raise ConfigurationError("no database")
        yield

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = Server("broken", settings=settings_for(tmp_path, http__port=port), lifespan=broken)
    with pytest.raises(ConfigurationError, match="no database"):
        await serve(server, server.load_settings())
    bind("127.0.0.1", port).close()


@pytest.mark.parametrize(
    "address, hosts, url",
    [
        (("127.0.0.1", 8000), {"127.0.0.1:8000", "localhost:8000", "[::1]:8000"}, "http://127.0.0.1:8000"),
        (("::1", 8000, 0, 0), {"127.0.0.1:8000", "localhost:8000", "[::1]:8000"}, "http://[::1]:8000"),
        (("10.0.0.1", 8000), {"10.0.0.1:8000"}, "http://10.0.0.1:8000"),
        (("fd00::1", 8000, 0, 0), {"[fd00::1]:8000"}, "http://[fd00::1]:8000"),
        (("10.0.0.1", 80), {"10.0.0.1:80", "10.0.0.1"}, "http://10.0.0.1:80"),
    ],
)
def test_a_bound_address_goes_by_its_names(address: tuple[Any, ...], hosts: set[str], url: str) -> None:
    bound: Any = SimpleNamespace(getsockname=lambda: address)
    assert hosts_of(bound) == hosts
    assert url_of(bound) == url


def test_a_port_that_cannot_be_bound_is_refused_without_a_trace() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be bound: .*choose another with --port"):
        bind("203.0.113.1", 0)


async def test_a_name_that_means_another_machine_is_not_served_openly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere(socket.socket):
        def getsockname(self) -> Any:
            return ("192.168.0.5", 8000)

    from holdfast.wire import http

    monkeypatch.setattr(http, "bind", lambda *_: Elsewhere())  # as where "localhost" is written beside that address
    server = offering(tmp_path, [], http__host="localhost")
    with pytest.raises(ConfigurationError, match="beyond loopback needs authentication"):
        await asyncio.wait_for(serve(server, server.load_settings()), 10)
