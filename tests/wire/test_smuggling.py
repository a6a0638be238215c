"""Requests that two readers would read differently, as raw bytes on a real port: none is served, none is echoed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.knocking import bytes_of, open_door, statuses

BODY = b'{"jsonrpc":"2.0","id":1,"method":"canary"}'
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
HOST = b"Host: {host}\r\n"
POST = (
    b"POST /mcp HTTP/1.1\r\n"
    + HOST
    + b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
)
SECOND = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"


async def knock(base: Path, *requests: bytes) -> list[bytes]:
    """The answers to raw requests, each on a connection of its own."""
    async with open_door(base) as peer:
        host = b"127.0.0.1:%d" % peer.port
        return [await asyncio.to_thread(bytes_of, peer.port, sent.replace(b"{host}", host)) for sent in requests]


TARGETS = (
    b"http://{host}/livez", b"http://evil.example/livez", b"//livez", b"//evil.example/livez", b"/%6civez", b"*",
    b"/livez;x", b"/livez#x", b"/./livez", b"/x/../livez", b"/livez/", b"/LIVEZ", b"/livez%00", b"/%2e/livez", b"livez",
    b"/livez%3fx", b"/livez%23", b"\\livez", b"/livez\\", b"http:/livez", b"/%C3%A9", b"/mcp/", b"/%6dcp", b"//mcp",
)  # fmt: skip


async def test_a_path_has_one_spelling(tmp_path: Path) -> None:
    """Whatever a proxy in front makes of another one, here it is nothing (CVE-2026-48710 is of this class)."""
    requests = [b"GET %b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (target, HOST) for target in TARGETS]
    plain = b"GET /livez?x=%2e HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    *answers, good = await knock(tmp_path, *requests, plain)
    for target, answer in zip(TARGETS, answers, strict=True):
        assert statuses(answer)[0] in (400, 404), target
        assert b"evil" not in answer
    assert statuses(good) == [200], "but what comes after the question mark is no part of it"


LINES = (
    b"GET /livez HTTP/1.1\n", b"GET /livez HTTP/0.9\r\n", b"GET /livez HTTP/2.0\r\n", b"GET /livez HTTP/1.2\r\n",
    b"GET\t/livez HTTP/1.1\r\n", b"GET /livez http/1.1\r\n",
    b"CONNECT {host} HTTP/1.1\r\n", b"\0GET /livez HTTP/1.1\r\n", b"get /livez HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n",
    b"GET /liv\0ez HTTP/1.1\r\n", b"GET /liv\xc3\xa9 HTTP/1.1\r\n", b"GETT /livez HTTP/1.1\r\n",
)  # fmt: skip


async def test_a_request_line_has_one_form(tmp_path: Path) -> None:
    for line, answer in zip(
        LINES, await knock(tmp_path, *(line + HOST + b"Connection: close\r\n\r\n" for line in LINES)), strict=True
    ):
        assert 200 not in statuses(answer), line
        assert statuses(answer) or answer == b"", line


HEADERS = (
    b"Host : {host}\r\n", b"Host: {host}\r\nHost: {host}\r\n", b"Host: {host}\r\nhost: evil.example\r\n",
    b"Host: evil.example\r\n {host}\r\n", b"Host: {host}\r\nX: a\rb\r\n", b"Host: {host}\r\nX: a\0b\r\n",
    b"Host: {host}\r\nX\0: a\r\n", b"Host: {host}\r\n: a\r\n", b"Host: {host}\r\nX Y: a\r\n", b"Host: {host},evil\r\n",
    b"Host: {host}/x?y=\r\n", b"Host: evil@{host}\r\n", b"Host:\r\n", b"", b"Host: {host}.\r\n", b"X: {host}\r\n",
    b"Host: {host}\r\nOrigin: http://{host}\r\nOrigin: null\r\n",
)  # fmt: skip


async def test_headers_have_one_meaning(tmp_path: Path) -> None:
    sent = [b"GET /livez HTTP/1.1\r\nConnection: close\r\n%b\r\n" % lines for lines in HEADERS]
    for lines, answer in zip(HEADERS, await knock(tmp_path, *sent), strict=True):
        assert statuses(answer)[0] in (400, 403), lines
        assert b"evil" not in answer


FRAMES = (
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKS),
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKS),
    (b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
    (b"Transfer-Encoding: chunked, identity\r\n", CHUNKS),
    (b"Transfer-Encoding: xchunked\r\n", CHUNKS),
    (b"Transfer-Encoding: identity\r\n", CHUNKS),
    (b"Transfer-Encoding:\x0bchunked\r\n", CHUNKS),
    (b"Transfer-Encoding : chunked\r\n", CHUNKS),
    (b"Transfer-Encoding:\r\n chunked\r\n", CHUNKS),
    (b"Transfer-Encoding: \"chunked\"\r\n", CHUNKS),
    (b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(BODY), BODY),
    (b"Content-Length: +%d\r\n" % len(BODY), BODY),
    (b"Content-Length: %d, %d\r\n" % (len(BODY), len(BODY)), BODY),
    (b"Content-Length: 0x2a\r\n", BODY),
    (b"Content-Length: -1\r\n", BODY),
    (b"Content-Length: 1e1\r\n", BODY),
    (b"Content-Length: 18446744073709551658\r\n", BODY),
    (b"Transfer-Encoding: chunked\r\n", CHUNKS.replace(b"\r\n", b"\n")),
    (b"Transfer-Encoding: chunked\r\n", b"0x" + CHUNKS),
    (b"Transfer-Encoding: chunked\r\n", b"-" + CHUNKS),
    (b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffffff\r\n" + BODY),
)  # fmt: skip


@pytest.mark.parametrize("part", range(2))
async def test_a_body_has_one_end(tmp_path: Path, part: int) -> None:
    """No second request comes out of one whose body two readers would end in different places."""
    frames = FRAMES[part::2]
    sent = [POST + headers + b"\r\n" + body + SECOND for headers, body in frames]
    for (headers, _), answer in zip(frames, await knock(tmp_path, *sent), strict=True):
        assert statuses(answer) == [400], headers
        assert b"connection: close" in answer.lower(), headers
        assert b"canary" not in answer


async def test_an_old_protocol_has_no_chunks(tmp_path: Path) -> None:
    old = POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS + SECOND
    plain = b"GET /livez HTTP/1.0\r\n" + HOST + b"\r\n" + SECOND
    refused, good = await knock(tmp_path, old, plain)
    assert statuses(refused) == [400]
    assert b"no chunked bodies" in refused
    assert statuses(good) == [200], "and its connection ends with the answer"


async def test_an_old_client_is_sent_no_chunks(tmp_path: Path) -> None:
    """RFC 9112, section 6.1: no Transfer-Encoding for a request of HTTP/1.0, also where the answer is a stream."""
    hello = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    hello += b'"clientInfo":{"name":"x","version":"1"}}}'
    length = b"Content-Length: %d\r\n\r\n" % len(hello)
    old = POST.replace(b"HTTP/1.1", b"HTTP/1.0")
    stream = b"GET /mcp HTTP/1.0\r\n" + HOST + b"Accept: text/event-stream\r\n\r\n"
    greeted, refused, usual = await knock(tmp_path, old + length + hello, stream, POST + length + hello)
    assert statuses(greeted) == [200]
    assert b"protocolVersion" in greeted
    assert b"chunked" not in greeted.lower()
    assert b"content-length" in greeted.lower()
    assert statuses(refused) == [505]
    assert b"transfer-encoding: chunked" in usual.lower()


async def test_what_is_odd_but_clear_is_served_as_what_it_is(tmp_path: Path) -> None:
    trailers = POST + b"Transfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
    trailers += CHUNKS.removesuffix(b"\r\n") + b"Host: evil.example\r\nAuthorization: Bearer x\r\n\r\n"
    extended = POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS.replace(b"\r\n", b';a="b"\r\n', 1)
    upgrade = b"GET /livez HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: %b\r\n\r\n"
    expects = POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    ahead = SECOND + b"GET /readyz HTTP/1.1\r\nHost: evil.example\r\n\r\n" + SECOND
    answers = await knock(tmp_path, trailers, extended, upgrade % b"websocket", upgrade % b"h2c", expects, ahead)
    assert [statuses(answer) for answer in answers[:4]] == [[400], [400], [200], [200]]
    assert b"Missing session ID" in answers[0], "trailers are no headers"
    assert b"Missing session ID" in answers[1]
    assert statuses(answers[4]) == [100, 400]
    assert statuses(answers[5]) == [200, 403, 200], "each request sent ahead is judged by itself"


async def test_whoever_has_no_token_is_not_asked_for_the_body(tmp_path: Path) -> None:
    async with open_door(tmp_path, auth__tokens="token-of-ada-0001") as peer:
        sent = (
            POST.replace(b"{host}", b"127.0.0.1:%d" % peer.port) + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
        )
        assert statuses(await asyncio.to_thread(bytes_of, peer.port, sent)) == [401]


@pytest.mark.parametrize(
    "headers, status",
    [
        (b"Origin: https://evil.example\r\n", 403),
        (b"Sec-Fetch-Site: cross-site\r\n", 403),
        (b"Sec-Fetch-Site: same-site\r\n", 403),
        (b"Sec-Fetch-Site: same-origin\r\n", 405),
        (b"Sec-Fetch-Site: none\r\n", 405),
        (b"Origin: http://{host}\r\n", 405),
        (b"", 405),
    ],
)
@pytest.mark.parametrize("tokens", [None, "token-of-ada-0001"])
async def test_no_page_of_another_site_is_granted_anything(
    tmp_path: Path, headers: bytes, status: int, tokens: str | None
) -> None:
    async with open_door(tmp_path, auth__tokens=tokens) as peer:
        host = b"127.0.0.1:%d" % peer.port
        wishes = b"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n"
        sent = (b"OPTIONS /mcp HTTP/1.1\r\n" + HOST + headers + wishes + b"\r\n").replace(b"{host}", host)
        answer = await asyncio.to_thread(bytes_of, peer.port, sent)
        assert statuses(answer) == [status]
        assert b"access-control" not in answer.lower()
