"""One raw connection against servers that answer, hang, refuse early, or close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from holdfast_attack.link.httpanswer import Wanted
from holdfast_attack.link.rawhttp import RawConnection, Tap
from holdfast_attack.link.session import Gone
from holdfast_attack.target.address import Address

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n" + b'{"id": "x"}'


@asynccontextmanager
async def serving(serve: Serve, host: str = "127.0.0.1") -> AsyncIterator[Address]:
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, host, 0)
    try:
        yield Address(host, server.sockets[0].getsockname()[1], "/mcp")
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def answer_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK + OK)
    await writer.drain()


async def test_bytes_are_sent_as_they_are_and_heard_by_all_who_listen() -> None:
    heard: list[tuple[str, bytes]] = []
    tap = Tap(ear=lambda where, data: heard.append((where, data)))
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(100))
        await answer_twice(reader, writer)

    async with serving(serve) as address:
        connection = await RawConnection.to(address, 5.0, tap)
        await connection.send(b"\x00 nonsense")
        await asyncio.sleep(0.01)
        await connection.send(b"\r\n\r\n")
        first, second = await connection.reply(), await connection.reply()
        assert await connection.closed()
        connection.close()
    assert seen == [b"\x00 nonsense"]
    assert first.message == second.message == {"id": "x"}
    assert b"".join(data for _, data in heard) == OK + OK
    assert {where for where, _ in heard} == {"http"}
    assert (tap.transcript.sent, tap.transcript.got) == (b"\x00 nonsense\r\n\r\n", OK + OK)


async def test_nobody_there_is_gone() -> None:
    async with serving(hang) as address:
        pass
    with pytest.raises(Gone, match="refused"):
        await RawConnection.to(address, 1.0)


async def test_localhost_is_either_of_its_addresses() -> None:
    async with serving(answer_twice, "::1") as address:
        connection = await RawConnection.to(Address("localhost", address.port, "/mcp"))
        await connection.send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await connection.reply()).status == 200
        connection.close()


async def test_it_may_come_from_another_address_of_this_machine() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = writer.get_extra_info("peername")[0].encode()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + name)

    async with serving(serve) as address:
        connection = await RawConnection.to(address, 5.0, source="127.0.0.2")
        answer = await connection.answer()
        connection.close()
    assert bytes(answer.body) == b"127.0.0.2"


async def test_silence_is_a_reply_and_an_end_without_one_is_not() -> None:
    async with serving(hang) as address:
        connection = await RawConnection.to(address)
        assert (await connection.reply(0.05)).silent
        assert await connection.head(0.05) is None
        assert not await connection.closed(0.05)
        with pytest.raises(TimeoutError):
            await connection.read(1, 0.05)
        connection.close()

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serving(leave) as address:
        connection = await RawConnection.to(address)
        await connection.send(b"x")
        with pytest.raises(Gone, match="without an answer"):
            await connection.reply()
        connection.close()


async def test_an_answer_that_comes_before_all_is_sent_is_read() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(60)

    async with serving(refuse) as address:
        connection = await RawConnection.to(address)
        answer = await connection.exchange(b"x" * 2**25, 5.0)
        connection.close()
    assert answer.head is not None
    assert answer.head.status == 413


async def test_a_server_that_does_not_read_keeps_the_writer_no_longer_than_it_wants() -> None:
    async with serving(hang) as address:
        connection = await RawConnection.to(address)
        with pytest.raises(TimeoutError):
            await connection.send(b"x" * 2**26, 0.1)
        connection.close()
        with pytest.raises(Gone):
            await connection.send(b"x")


async def test_it_can_stop_sending_and_still_read() -> None:
    async def after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"all"
        writer.write(OK)

    async with serving(after_the_end) as address:
        connection = await RawConnection.to(address)
        await connection.send(b"all")
        connection.finish()
        assert (await connection.reply()).status == 200
        connection.close()


async def test_it_can_vanish() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await ended.put(f"end {await reader.read()!r}")
        except ConnectionResetError:
            await ended.put("reset")

    async with serving(watch) as address:
        for way, seen in (("abort", "reset"), ("close", "end b''")):
            connection = await RawConnection.to(address)
            await asyncio.sleep(0.01)
            getattr(connection, way)()
            assert await asyncio.wait_for(ended.get(), 5) == seen


async def test_a_line_without_an_end_ends_it() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serving(flood) as address:
        connection = await RawConnection.to(address)
        with pytest.raises(Gone):
            await connection.reply(5.0)
        assert len(connection._held) < 2**20
        connection.close()


async def test_what_follows_the_head_is_left() -> None:
    async with serving(answer_twice) as address:
        connection = await RawConnection.to(address)
        await connection.send(b"\r\n\r\n")
        head = await connection.head()
        assert head is not None
        assert (head.status, await connection.read(11)) == (200, b'{"id": "x"}')
        answer = await connection.answer(5.0, Wanted("x"))
        assert answer.message == {"id": "x"}
        connection.close()
