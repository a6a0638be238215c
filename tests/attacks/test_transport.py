"""Published attacks on HTTP transports and authentication, each by its id, against a real server on a real port.

Not reproduced: CVE-2026-109527 (no public record found).
"""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.issuing import ISSUER, RESOURCE, claims, signed, usual_keys
from support.knocking import PING, Near, bytes_of, open_door, statuses, tell
from support.talks import HandshakeHttpTalk, call

from holdfast.core.layers import load
from holdfast.errors import ConfigurationError
from holdfast.wire.serve import refuse_unsafe_binding

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
TOKENS = json.dumps({"ada": "token-of-ada-0001", "eve": "token-of-eve-0002"})
ADA, EVE = {"authorization": "Bearer token-of-ada-0001"}, {"authorization": "Bearer token-of-eve-0002"}


async def test_cve_2025_49596_a_web_page_reaches_no_server_on_this_machine(tmp_path: Path) -> None:
    """The record: MCP Inspector's proxy took requests that a web page sent to 0.0.0.0, without authentication."""

    def work(peer: Near) -> None:
        page = {"host": f"0.0.0.0:{peer.port}", "origin": "https://evil.example"}
        assert peer.get("/sse?transportType=stdio&command=touch&args=pwned", **page)[0] == 403
        assert peer.post(INITIALIZE, page)[0] == 403
        near = page | {"host": f"127.0.0.1:{peer.port}"}
        assert peer.post(INITIALIZE, near)[0] == 403, "by its Origin alone"
        assert peer.post(INITIALIZE, {"host": page["host"]})[0] == 403, "by its Host alone"

    async with open_door(tmp_path) as peer:
        await asyncio.to_thread(work, peer)
    for host in ("0.0.0.0", "::", "", "0", "127.1", "10.0.0.1", "::ffff:0.0.0.0", "example.org", "/run/mcp.sock"):
        with pytest.raises(ConfigurationError, match="needs authentication"):
            refuse_unsafe_binding(load({"http.host": host}, environ={}))
    with pytest.raises(ConfigurationError, match="needs authentication"):
        refuse_unsafe_binding(load({"http.host": "localhost"}, environ={}), "192.168.0.5")


async def test_cve_2025_66416_a_rebound_name_is_not_served(tmp_path: Path) -> None:
    """The record: the Python SDK's HTTP servers on localhost did not check Host, so DNS rebinding reached them."""

    def work(peer: Near) -> None:
        for host in (f"evil.example:{peer.port}", "evil.example", f"127.0.0.1.evil.example:{peer.port}"):
            for origin in ({}, {"origin": f"http://{host}"}):
                assert peer.post(INITIALIZE, {"host": host, **origin})[0] == 403
        assert peer.post(INITIALIZE)[0] == 200

    async with open_door(tmp_path) as peer:
        await asyncio.to_thread(work, peer)


async def test_cve_2026_48710_a_host_does_not_move_the_path(tmp_path: Path) -> None:
    """The record: ``Host: example.com/abc?bar=`` made Starlette's ``request.url.path`` another one than was routed.

    Two layers: such a Host is on no list, and the path that is judged is the one that is served, whatever the Host is.
    The test below has the second one by itself.
    """
    async with open_door(tmp_path, auth__tokens=TOKENS) as peer:
        for path in ("/metrics", "/health", "/mcp"):
            for way in ("/livez?x=", "/.well-known/oauth-protected-resource?x=", "/livez#", "/livez"):
                sent = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}{way}\r\nConnection: close\r\n\r\n"
                answer = await asyncio.to_thread(bytes_of, peer.port, sent.encode())
                assert statuses(answer) == [403]
            # nor where the line itself names the open page's address, with the Host that is served
            sent = f"GET http://127.0.0.1:{peer.port}/livez/..{path} HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\n"
            answer = await asyncio.to_thread(bytes_of, peer.port, f"{sent}Connection: close\r\n\r\n".encode())
            assert statuses(answer) == [401]


@pytest.mark.parametrize("host", ["example.com/livez?bar=", "example.com/livez#", "example.com/livez/../livez?"])
async def test_cve_2026_48710_a_host_does_not_move_the_path_though_it_is_listed(tmp_path: Path, host: str) -> None:
    """The second layer by itself: an operator lists the very Host, and closed pages stay closed, open ones open."""
    async with open_door(tmp_path, auth__tokens=TOKENS, http__allowed_hosts=(host,)) as peer:
        for path, status in (("/metrics", 401), ("/health", 401), ("/mcp", 401), ("/livez", 200)):
            sent = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            answer = await asyncio.to_thread(bytes_of, peer.port, sent.encode())
            assert statuses(answer) == [status], path


async def test_cve_2026_52869_a_session_is_no_credential(tmp_path: Path) -> None:
    """The record: the Python SDK routed requests by session id alone, so another token's holder could use it."""

    def work(peer: Near) -> None:
        ada = HandshakeHttpTalk(peer, **ADA)
        whoami = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
        for headers in (EVE, {"authorization": "Bearer wrong"}, {"authorization": ""}):
            status, _, body = peer.post(whoami, ada.headers | headers)
            assert status == (404 if headers is EVE else 401)
            assert b"ada" not in body
            assert peer.raw("DELETE", "/mcp", None, ada.headers | headers)[0] == status
            listening = ada.headers | headers | {"accept": "text/event-stream"}
            assert peer.raw("GET", "/mcp", None, listening)[0] == status
        unknown = peer.post(whoami, EVE | {"mcp-session-id": "0" * 32})
        stolen = peer.post(whoami, ada.headers | EVE)
        assert (unknown[0], unknown[2]) == (stolen[0], stolen[2]), "as if there were no such session"
        assert call(ada, "whoami")["content"][0]["text"] == "ada"

    async with open_door(tmp_path, auth__tokens=TOKENS) as peer:
        await asyncio.to_thread(work, peer)


@pytest.mark.parametrize("stateless", [False, True])
async def test_cve_2026_25536_no_answer_reaches_another_client(tmp_path: Path, stateless: bool) -> None:
    """The record: one server and transport shared by clients whose request ids are the same mixed up their answers.

    Here every session has a transport of its own, and every request its own state, whatever its id.
    """

    def many(peer: Near, name: str) -> set[str]:
        headers = {"authorization": f"Bearer token-of-{name}-000{1 if name == 'ada' else 2}"}
        used = headers if stateless else HandshakeHttpTalk(peer, **headers).headers
        whoami = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
        told = {peer.post(whoami | {"id": 10 + number}, used)[2].decode() for number in range(25)}
        token = headers["authorization"].removeprefix("Bearer ")
        return told | {json.dumps(tell(peer, token)[2]) for _ in range(25)}

    def work(peer: Near) -> None:
        with ThreadPoolExecutor(8) as pool:
            names = ["ada", "eve"] * 4
            for name, told in zip(names, pool.map(lambda name: many(peer, name), names), strict=True):
                other = "eve" if name == "ada" else "ada"
                wrong = [text for text in told if f'"{name}"' not in text or f'"{other}"' in text]
                assert wrong == []

    async with open_door(tmp_path, auth__tokens=TOKENS, http__stateless=stateless) as peer:
        await asyncio.to_thread(work, peer)


async def test_cve_2026_27124_there_is_no_proxy_to_be_confused(tmp_path: Path) -> None:
    """The record: FastMCP's OAuth proxy sent an authorization code to whoever had begun the flow, without consent.

    Here is no flow to begin, and a token that the same issuer gave to another server or client opens nothing.
    """
    settings = {"auth__issuer": ISSUER, "auth__resource": RESOURCE, "auth__jwks": usual_keys()}

    def work(peer: Near) -> None:
        for path in ("/auth/callback", "/authorize", "/register", "/token", "/consent"):
            for method in ("GET", "POST"):
                status, headers, _ = peer.raw(
                    method, f"{path}?code=stolen&state=x&redirect_uri=https://evil.example", None, {}
                )
                assert status in (401, 404)
                assert "location" not in headers
        lives = {"exp": time.time() + 60, "iat": time.time()}
        for audience in ("github-client-id", "https://other.example/mcp", [ISSUER], None):
            assert tell(peer, signed(claims(aud=audience, **lives)))[0] == 401
        assert tell(peer, signed(claims(**lives)))[0] == 200

    async with open_door(tmp_path, **settings) as peer:
        await asyncio.to_thread(work, peer)


async def test_cve_2026_33010_no_other_origin_may_read_an_answer(tmp_path: Path) -> None:
    """The record: mcp-memory-service allowed every origin (``*``), with credentials, so any web page could read it.

    Two layers: an Origin that is not listed is refused, and no answer at all allows any page to read it.
    """
    allowed = "https://app.example"

    def work(peer: Near) -> None:
        wishes = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        for origin in ("https://evil.example", "null", "*", allowed):
            refused = 403 if origin != allowed else 0
            for method, path in (("OPTIONS", "/mcp"), ("POST", "/mcp"), ("GET", "/health"), ("GET", "/livez")):
                body = json.dumps(INITIALIZE).encode() if method == "POST" else None
                headers = {"origin": origin, "content-type": "application/json", "accept": "*/*", **wishes}
                status, answered, _ = peer.raw(method, path, body, headers)
                assert status == (refused or status)
                assert not [name for name in answered if name.startswith("access-control-")]

    async with open_door(tmp_path, http__allowed_origins=(allowed,)) as peer:
        await asyncio.to_thread(work, peer)


async def test_cve_2026_59951_sessions_are_few_and_idle_ones_end(tmp_path: Path) -> None:
    """The record: the Python SDK kept every session for ever, however many the holder of one token opened."""

    def work(peer: Near) -> None:
        opened = [peer.post(INITIALIZE, EVE)[0] for _ in range(12)]
        assert opened == [200] * 3 + [429] * 9, "nobody gets more than a share"
        assert peer.post(INITIALIZE, ADA)[0] == 200, "so others get theirs"
        end = time.monotonic() + 8
        while peer.post(INITIALIZE, EVE)[0] != 200:
            assert time.monotonic() < end, "idle sessions make room"
            time.sleep(0.1)

    settings = {"http__sessions": 6, "http__sessions_each": 3, "http__session_idle": 0.4}
    async with open_door(tmp_path, auth__tokens=TOKENS, **settings) as peer:
        await asyncio.to_thread(work, peer)


async def test_cve_2025_6515_a_session_handle_is_not_to_be_guessed(tmp_path: Path) -> None:
    """The record: oatpp-mcp's session id was the address of an object, so it came again and could be guessed."""
    handles: list[str] = []

    def work(peer: Near) -> None:
        for _ in range(40):
            handle = peer.post(INITIALIZE)[1]["mcp-session-id"]
            handles.append(handle)
            assert peer.raw("DELETE", "/mcp", None, {"mcp-session-id": handle})[0] == 200
            for near in (int(handle, 16) + step for step in (-16, -1, 1, 16)):
                assert peer.post(PING, {"mcp-session-id": f"{near % (1 << 128):032x}"})[0] == 404
            assert peer.post(PING, {"mcp-session-id": handle})[0] == 404

    async with open_door(tmp_path) as peer:
        await asyncio.to_thread(work, peer)
    assert len(set(handles)) == 40, "none comes again, although each one's memory was free for the next"
    bits = [int(handle, 16) for handle in handles]
    for place in range(128):
        ones = sum(number >> place & 1 for number in bits)
        assert 0 < ones < 40, "each of 128 bits is random: one that is fixed shows with a chance of 1 - 2^-39"
