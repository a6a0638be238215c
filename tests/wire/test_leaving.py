"""Clients that leave, dawdle or take too much, over real sockets, with uvloop and httptools and without them."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.engines import ENGINES, engine
from support.peers import ENVELOPE, MODERN, PATIENCE, HttpPeer, StdioPeer, code_of, text_of
from support.talks import HandshakeHttpTalk, ModernHttpTalk, call, raw

SERVER = Path(__file__).parent / "servers" / "leaving.py"
SETTINGS = {
    "HOLDFAST_HTTP__RECEIVE_TIMEOUT": "1",
    "HOLDFAST_LIMITS__MESSAGE": "200000",
    "HOLDFAST_LIMITS__OUTPUT": "40000000",
    "HOLDFAST_LIMITS__RATE": "100000/second",
    "HOLDFAST_HTTP__SESSIONS": "80",
    "HOLDFAST_HTTP__CONNECTIONS": "40",
}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}


@pytest.fixture(scope="module", params=ENGINES)
def kind(request: pytest.FixtureRequest) -> str:
    """How the server runs."""
    return str(request.param)


@pytest.fixture(scope="module")
def web(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpPeer]:
    """One server over HTTP for each way to run, hurt by one test after the other."""
    base = tmp_path_factory.mktemp(kind)
    with HttpPeer(SERVER, base / "state", **SETTINGS, **engine(kind, base)) as peer:
        yield peer


def said(peer: HttpPeer, text: str, patience: float = PATIENCE) -> None:
    """Wait until the server has said it on stderr."""
    end = time.monotonic() + patience
    while text not in peer.stderr().splitlines():
        assert time.monotonic() < end, f"never said {text}"
        time.sleep(0.01)


def head(peer: HttpPeer, *lines: str, method: str = "POST", path: str = "/mcp") -> bytes:
    """The beginning of a request."""
    own = (f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{peer.port}", "Content-Type: application/json")
    both = "Accept: application/json, text/event-stream"
    return "\r\n".join((*own, both, *lines, "", "")).encode()


def modern_call(peer: HttpPeer, tool: str, **arguments: Any) -> bytes:
    """A whole request of 2026-07-28."""
    params = {"name": tool, "arguments": arguments, "_meta": ENVELOPE}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    names = (f"Mcp-Protocol-Version: {MODERN}", "Mcp-Method: tools/call", f"Mcp-Name: {tool}")
    return head(peer, *names, f"Content-Length: {len(body)}") + body


def connect(peer: HttpPeer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", peer.port), timeout=PATIENCE)


def test_the_server_runs_on_what_is_installed(web: HttpPeer, kind: str) -> None:
    found = web.call("engine")["structuredContent"]["result"]
    assert found[0] == ("uvloop" if kind == "fast" else "asyncio")
    assert ("httptools" in found) == (kind == "fast")


@pytest.mark.parametrize("padding", [0, 150_000], ids=["small body", "large body"])
@pytest.mark.parametrize("tool", ["hold", "told"])
def test_a_modern_call_ends_at_once_when_its_client_leaves(web: HttpPeer, tool: str, padding: int) -> None:
    name = f"{tool}-{padding}"
    more = {"padding": "x" * padding} if tool == "hold" else {}
    with connect(web) as client:
        client.sendall(modern_call(web, tool, name=name, **more))
        said(web, f"BEGUN {name}")
    begun = time.monotonic()
    said(web, f"ENDED {name}")
    assert time.monotonic() - begun < 1, "long before its deadline"


def test_a_modern_call_with_a_plain_json_answer_ends_at_once_too(kind: str, tmp_path: Path) -> None:
    settings = SETTINGS | {"HOLDFAST_HTTP__JSON_RESPONSE": "true"}
    with HttpPeer(SERVER, tmp_path / "state", **settings, **engine(kind, tmp_path)) as peer:
        for padding in (0, 150_000):
            with connect(peer) as client:
                client.sendall(modern_call(peer, "hold", name=f"json-{padding}", padding="x" * padding))
                said(peer, f"BEGUN json-{padding}")
            begun = time.monotonic()
            said(peer, f"ENDED json-{padding}")
            assert time.monotonic() - begun < 1
        assert peer.call("engine")["structuredContent"]
        assert "Traceback" not in peer.stderr()


@pytest.mark.parametrize("plain", ["false", "true"], ids=["event stream", "plain JSON"])
def test_a_call_of_the_handshake_era_runs_to_its_deadline_and_leaves_nothing(
    kind: str, plain: str, tmp_path: Path
) -> None:
    settings = SETTINGS | {"HOLDFAST_HTTP__JSON_RESPONSE": plain}
    with HttpPeer(SERVER, tmp_path / "state", **settings, **engine(kind, tmp_path)) as peer:
        talk = HandshakeHttpTalk(peer)
        before = tasks(talk)
        body = {"jsonrpc": "2.0", "id": 99, "method": "tools/call"}
        body["params"] = {"name": "hold", "arguments": {"name": "old"}}
        data = json.dumps(body).encode()
        names = [f"{name}: {value}" for name, value in talk.headers.items()]
        with connect(peer) as client:
            client.sendall(head(peer, *names, f"Content-Length: {len(data)}") + data)
            said(peer, "BEGUN old")
        assert code_of(call(talk, "hold", name="early")) == "busy", "a client that left has not cancelled (2025-11-25)"
        said(peer, "ENDED old")
        assert code_of(call(talk, "hold", name="again")) == "deadline.exceeded", "its place is free again"
        end = time.monotonic() + PATIENCE
        while tasks(talk) > before:
            assert time.monotonic() < end, "something stays in the session"


def tasks(talk: HandshakeHttpTalk) -> int:
    return int(text_of(call(talk, "tasks")))


def test_one_caller_cannot_take_all_the_sessions(web: HttpPeer) -> None:
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
    opened = []
    for _ in range(11):
        status, headers, body = web.post(hello)
        if status != 200:
            break
        opened.append(headers["mcp-session-id"])
    assert (status, headers["retry-after"], len(opened)) == (429, "5", 10), "an eighth of 80"
    assert "too many of your sessions" in json.loads(body)["error"]["message"]
    assert web.raw("DELETE", "/mcp", None, {"mcp-session-id": opened[0]})[0] == 200
    assert web.post({"jsonrpc": "2.0", "id": 0, "method": "ping"})[0] == 400, "what opens nothing takes no place"
    status, headers, _ = web.post(hello)
    assert status == 200, "one that ended makes room"
    for session in (*opened[1:], headers["mcp-session-id"]):
        web.raw("DELETE", "/mcp", None, {"mcp-session-id": session})
    with socket.create_connection(("127.0.0.1", web.port), source_address=("127.0.0.2", 0)) as other:
        other.sendall(head(web, method="GET", path="/livez"))
        assert b"200" in other.recv(100)


@pytest.mark.parametrize("begun", ["POST /mcp HTTP/1.1\r\nHost: ", "", "POST /mcp HTTP/1.1\r\nHost: x\r\nA: b\r\n"])
def test_headers_that_never_end_close_the_connection(web: HttpPeer, begun: str) -> None:
    began = time.monotonic()
    assert raw(web.port, begun.encode()) == b""
    assert time.monotonic() - began < 4


def drip(peer: HttpPeer, first: bytes, piece: bytes, most: float) -> bytes:
    """Send a little again and again until the server closes; what it said."""
    got, end = b"", time.monotonic() + most
    with connect(peer) as client, contextlib.suppress(ConnectionError):
        client.sendall(first)
        client.settimeout(0.05)
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                part = client.recv(65_536)
                if not part:
                    return got
                got += part
            client.sendall(piece)
        raise AssertionError("it is still open")
    return got


def test_headers_a_bit_at_a_time_are_given_no_more_than_their_time(web: HttpPeer) -> None:
    drip(web, head(web)[:-2], b"X-More: 1\r\n", 4)


def test_a_body_a_bit_at_a_time_is_given_no_more_than_its_time(web: HttpPeer) -> None:
    assert b"408" in drip(web, head(web, "Content-Length: 100000"), b" ", 4).split(b"\r\n")[0]


def test_a_refused_body_that_goes_on_is_not_listened_to_for_long(web: HttpPeer) -> None:
    got = drip(web, head(web, "Content-Length: 100000000"), b"x" * 100, 6)
    assert b"413" in got.split(b"\r\n")[0]


def test_headers_without_end_are_not_held(web: HttpPeer) -> None:
    line = b"X-%d: " + b"x" * 1_000 + b"\r\n"
    with connect(web) as client, contextlib.suppress(ConnectionError):
        client.sendall(head(web)[:-2])
        sent = 0
        while sent < 64 * 1024 * 1024:
            client.sendall(line % sent)
            sent += len(line)
        raise AssertionError("64 MB of headers were taken")
    assert web.get("/livez")[0] == 200


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def test_the_size_of_a_body_is_bounded_however_it_is_sent(web: HttpPeer) -> None:
    said_so = raw(web.port, head(web, "Content-Length: 200001") + b" " * 100_000, 0.5)
    assert b"413" in said_so.split(b"\r\n")[0], "by its length, before it has come"
    in_chunks = raw(web.port, head(web, "Transfer-Encoding: chunked") + chunked(b" " * 150_000, b" " * 150_000), 0.5)
    assert b"413" in in_chunks.split(b"\r\n")[0]
    both = head(web, "Content-Length: 5", "Transfer-Encoding: chunked") + chunked(b"{}") + b"0\r\n\r\n"
    assert b"400" in raw(web.port, both, 0.5).split(b"\r\n")[0]


def test_a_length_that_lies_harms_nobody_else(web: HttpPeer) -> None:
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    short = raw(web.port, head(web, f"Content-Length: {len(ping) - 5}") + ping, 0.5)
    assert short.startswith(b"HTTP/1.1 400")
    assert b"408" in raw(web.port, head(web, f"Content-Length: {len(ping) + 5}") + ping).split(b"\r\n")[0]
    for length in ("-1", "+5", "0x10", "5, 6", "9" * 30, ""):
        got = raw(web.port, head(web, f"Content-Length: {length}") + ping, 0.3)
        assert got[9:12] in (b"400", b"413", b""), length


def test_headers_behind_the_body_count_for_nothing(web: HttpPeer) -> None:
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    trailer = b"Mcp-Session-Id: made-up\r\nHost: evil.example\r\n"
    request = head(web, "Transfer-Encoding: chunked", "Connection: close") + chunked(ping) + b"0\r\n"
    plain, behind = (raw(web.port, request + more + b"\r\n", 1.0) for more in (b"", trailer))
    assert behind.partition(b"\r\n\r\n")[2] == plain.partition(b"\r\n\r\n")[2]


def test_past_so_many_requests_the_next_is_told_to_come_back_and_probes_are_not(web: HttpPeer) -> None:
    talk = ModernHttpTalk(web)
    call(talk, "engine")
    standing = []
    try:
        for number in range(40):
            standing.append(connect(web))
            standing[-1].sendall(modern_call(web, "told", name=f"crowd-{number}"))
        end = time.monotonic() + PATIENCE
        while (refused := web.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}))[0] != 503:
            assert time.monotonic() < end
        assert refused[1]["retry-after"] == "1"
        assert web.get("/livez")[0] == 200
    finally:
        for client in standing:
            client.close()
    end = time.monotonic() + PATIENCE
    while web.get("/health")[0] == 503:
        assert time.monotonic() < end, "they have left, and their places are free"


def test_a_client_that_does_not_read_its_answer_is_let_go(web: HttpPeer) -> None:
    server = psutil.Process(web.process.pid)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", web.port))
        mine = client.getsockname()[1]
        client.sendall(modern_call(web, "big", size=30_000_000))
        end = time.monotonic() + PATIENCE
        while any(link.raddr and link.raddr.port == mine for link in server.net_connections("tcp")):
            assert time.monotonic() < end, "it is held for as long as the client likes"
            time.sleep(0.05)


def test_a_client_that_reads_slowly_gets_all_of_its_answer(web: HttpPeer) -> None:
    size, got = 12_000_000, 0
    with connect(web) as client:
        client.sendall(
            modern_call(web, "big", size=size).replace(b"Content-Type", b"Connection: close\r\nContent-Type")
        )
        began = time.monotonic()
        while part := client.recv(400_000):
            got += len(part)
            time.sleep(0.05)  # slower than the server's patience for all of it
    assert got > size
    assert time.monotonic() - began > 1


def test_stdio_runs_on_both_loops(kind: str, tmp_path: Path) -> None:
    with StdioPeer(SERVER, tmp_path / "state", **engine(kind, tmp_path)) as peer:
        peer.initialize()
        (loop, *_) = peer.call("engine")["structuredContent"]["result"]
        assert loop == ("uvloop" if kind == "fast" else "asyncio")
        peer.end_input()
        assert peer.wait() == 0
