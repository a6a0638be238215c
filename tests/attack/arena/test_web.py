"""The canary keeps every request, serves its traps, and goes away without a trace."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import socket
import urllib.request
import zlib
from typing import Any

import pytest

from holdfast_attack.arena import web as module
from holdfast_attack.arena.web import BOMB, WebCanary, free_port

LONG = b"GET / HTTP/1.1\r\n" + b"a" * 20_000


async def get(url: str) -> bytes:
    def fetch() -> bytes:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the canary's own
            return answer.read()

    return await asyncio.to_thread(fetch)


async def raw(port: int, data: bytes, host: str = "127.0.0.1") -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(-1), 10)
    finally:
        writer.close()


async def test_a_request_is_answered_and_kept() -> None:
    async with WebCanary() as web:
        assert web.serving
        assert b"hello from the attack arena" in await get(web.url())
        await raw(web.port, b"POST /form HTTP/1.1\r\nX-Token: abc\r\nContent-Length: 3\r\n\r\na=1")
        first, second = web.hits
        assert (first.method, first.path) == ("GET", "/page")
        assert (second.method, second.headers["x-token"], second.body) == ("POST", "abc", b"a=1")
        assert b"X-Token: abc" in second.raw
        assert web.reached == 2
    assert not web.serving


async def test_it_listens_on_the_other_loopback_address_too_at_the_same_port() -> None:
    async with WebCanary() as web:
        if "::1" not in web.listens_on:
            pytest.skip("no IPv6 here")
        assert b"200 OK" in await raw(web.port, b"GET / HTTP/1.0\r\n\r\n", "::1")


async def test_further_loopback_addresses_can_be_asked_for() -> None:
    async with WebCanary(extra=("127.0.0.3",)) as web:
        if "127.0.0.3" not in web.listens_on:
            pytest.skip("this system has one loopback address")
        assert b"200 OK" in await raw(web.port, b"GET / HTTP/1.0\r\n\r\n", "127.0.0.3")


async def test_whoever_enters_it_again_gets_the_same_and_the_last_one_closes_it() -> None:
    web = WebCanary(port=free_port())
    async with web:
        async with web as same:
            assert same is web
        assert await get(web.url())
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", web.port)


async def test_a_port_that_is_taken_is_told() -> None:
    async with WebCanary() as web:
        with pytest.raises(OSError, match="is taken"):
            await WebCanary(port=web.port).__aenter__()


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00", b"QUIT\r\n", b"GET /\r\n", b"GET / HTTP/1.1\r\n" + b"a" * 20_000]
)
async def test_what_is_no_http_is_counted_too(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST", 0.2)
    async with WebCanary() as web:
        await raw(web.port, data)
        assert web.reached == 1
        assert len(web.hits) == 1


async def test_who_connects_and_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST", 0.1)
    async with WebCanary() as web:
        assert b"200 OK" in await raw(web.port, b"")
        assert web.hits[0].method == ""


async def test_redirects_go_where_they_are_told_or_in_a_circle() -> None:
    async with WebCanary() as web:
        there = await raw(web.port, b"GET /redirect?to=http%3A%2F%2Fa.example%2F%0d%0aX HTTP/1.0\r\n\r\n")
        assert b"302 Found" in there
        assert b"Location: http://a.example/X\r\n" in there
        assert b"Location: /loop" in await raw(web.port, b"GET /loop HTTP/1.0\r\n\r\n")
        assert b"404" in await raw(web.port, b"GET /robots.txt HTTP/1.0\r\n\r\n")


def test_the_bomb_is_gzip_as_others_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BOMB", 64 * 2**20)
    packed = module._bomb()
    assert len(packed) < 100_000
    assert gzip.decompress(packed) == b"\0" * (64 * 2**20)


async def test_the_bomb_is_whole_and_small() -> None:
    async with WebCanary() as web:
        head, _, body = (await raw(web.port, b"GET /bomb HTTP/1.0\r\n\r\n")).partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert len(body) < 2 * 2**20
    assert int.from_bytes(body[-4:], "little") == BOMB
    assert len(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, 1000)) == 1000


@pytest.mark.parametrize("path", ["/slow", "/big"])
async def test_endless_answers_end_with_the_canary(path: str) -> None:
    async with WebCanary() as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(3) == b"<p>"
    writer.close()
    assert not [task for task in asyncio.all_tasks() if "_meet" in str(task)]


async def test_no_more_requests_are_kept_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HITS", 2)
    async with WebCanary() as web:
        for _ in range(4):
            await get(web.url())
        assert (len(web.hits), web.reached) == (2, 4)


async def test_a_client_of_the_standard_library_reads_it() -> None:
    async with WebCanary() as web:

        def ask() -> tuple[int, str | None]:
            connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
            try:
                connection.request("HEAD", "/page")
                answer = connection.getresponse()
                return answer.status, answer.getheader("content-type")
            finally:
                connection.close()

        assert await asyncio.to_thread(ask) == (200, "text/html")


def test_a_free_port_is_free() -> None:
    port = free_port()
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", port))
    assert 20_000 <= port < 30_000


def test_no_port_that_is_taken_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []

    class Taken(socket.socket):
        def bind(self, address: Any) -> None:
            taken.append(address)
            raise OSError

    monkeypatch.setattr(module.socket, "socket", Taken)
    with pytest.raises(OSError, match="no port"):
        free_port()
    assert len(taken) == 100
