"""A connection whose headers do not come is closed, one that is served, idle or answered slowly is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from holdfast.wire import http
from holdfast.wire.connection import CONNECTION, Punctual, PunctualConnection
from holdfast.wire.http import Uvicorn, bind, config

PATIENCE = 0.1
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Pages:
    """Answers, after ``wait`` seconds."""

    def __init__(self) -> None:
        self.wait = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(self.wait)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"here"})


@asynccontextmanager
async def serving(pages: Pages) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One connection to a server that is patient for so long."""
    with bind("127.0.0.1", 0) as listening:
        runner = Uvicorn(config(pages, drain=1, connections=10, patience=PATIENCE))
        task = asyncio.create_task(runner.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname()[:2])
        try:
            yield reader, writer
        finally:
            writer.close()
            runner.should_exit = True
            await task


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes the connection without another word."""
    try:
        return await asyncio.wait_for(reader.read(), 2) == b""
    except ConnectionResetError:
        return True


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert b"200" in head.splitlines()[0]
    return await reader.readexactly(4)


class OverH11(Punctual, H11Protocol):
    """The parser that is always there."""


@pytest.fixture(params=[OverH11, PunctualConnection], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One parser after the other; the second is httptools where somebody installed it."""
    monkeypatch.setattr(http, "PunctualConnection", request.param)


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_headers_that_do_not_come_close_the_connection(begun: bytes) -> None:
    async with serving(Pages()) as (reader, writer):
        writer.write(begun)
        begin = asyncio.get_running_loop().time()
        assert await closed(reader)
        assert asyncio.get_running_loop().time() - begin < 1.5


async def test_a_request_in_time_is_answered_however_slowly_and_the_next_one_gets_its_time_too() -> None:
    pages = Pages()
    pages.wait = 2 * PATIENCE
    async with serving(pages) as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST[:10])
            await asyncio.sleep(PATIENCE / 3)
            writer.write(REQUEST[10:])
            assert await answer(reader) == b"here"
            await asyncio.sleep(1.5 * PATIENCE)  # idle between two requests is no fault
        writer.write(REQUEST[:10])
        assert await closed(reader)


async def test_a_body_may_take_longer_than_the_headers() -> None:
    async with serving(Pages()) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        await asyncio.sleep(1.5 * PATIENCE)
        writer.write(b"cd")
        assert await answer(reader) == b"here"


async def test_requests_sent_ahead_are_answered_one_after_the_other() -> None:
    pages = Pages()
    pages.wait = PATIENCE
    async with serving(pages) as (reader, writer):
        writer.write(REQUEST * 3)
        assert [await answer(reader) for _ in range(3)] == [b"here"] * 3


async def test_a_client_that_leaves_takes_its_timer_with_it() -> None:
    async with serving(Pages()) as (_, writer):
        writer.write(b"GET")
        writer.close()
        await asyncio.sleep(1.5 * PATIENCE)


class Whole(Pages):
    """Answers in one piece where that can be, and says how."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[bool] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        await receive()
        body = scope["path"].encode()
        self.taken.append(scope[CONNECTION].answer(404, body))
        if not self.taken[-1]:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        assert not scope[CONNECTION].answer(404, body), "nothing is answered twice"


def asked(path: str, *more: str) -> bytes:
    return "\r\n".join((f"POST {path} HTTP/1.1", "Host: x", "Content-Length: 2", *more, "", "ab")).encode()


async def test_an_answer_in_one_piece_is_the_one_that_uvicorn_would_send() -> None:
    pages = Whole()
    async with serving(pages) as (reader, writer):
        writer.write(asked("/1") + asked("/22") + asked("/333", "Connection: close"))
        got = await asyncio.wait_for(reader.read(), 5)
    head = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: "
    assert (
        got.replace(b"Connection", b"connection")
        == head + b"2\r\n\r\n/1" + head + b"3\r\n\r\n/22" + head + b"4\r\nconnection: close\r\n\r\n/333"
    )
    assert pages.taken == [hasattr(http.PunctualConnection, "on_url")] * 2 + [False], "which only httptools has"


async def test_a_client_that_left_or_reads_nothing_is_answered_as_usual() -> None:
    kept: list[Any] = []

    class Held(Pages):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                connection = scope[CONNECTION]
                connection.pause_writing()
                kept.append(connection.answer(200, b"here"))
                connection.resume_writing()
                kept.append(connection)
            await super().__call__(scope, receive, send)

    async with serving(Held()) as (reader, writer):
        writer.write(REQUEST)
        assert await answer(reader) == b"here"
    refused, connection = kept
    assert refused is False
    assert connection.answer(200, b"here") is False
