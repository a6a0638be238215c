"""Lines through real descriptors of every kind: pipes, sockets, files, the null device; in pieces, and without end."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from holdfast.wire import pipes
from holdfast.wire.pipes import EDGE, MAX_HELD, MAX_WAITING, Intake, Outlet, Oversized, open_pipes


class Ends:
    """Both far ends of a connection."""

    def __init__(self) -> None:
        self.ours_in, self.write = os.pipe()
        self.read, self.ours_out = os.pipe()

    def close(self) -> None:
        for fd in (self.ours_in, self.write, self.read, self.ours_out):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Two pipes."""
    made = Ends()
    yield made
    made.close()


@asynccontextmanager
async def connected(ends: Ends, max_line: int = 1_000) -> AsyncIterator[tuple[Intake, Outlet]]:
    intake, outlet = await open_pipes(ends.ours_in, ends.ours_out, max_line)
    try:
        yield intake, outlet
    finally:
        await outlet.close(0.1)
        intake.close()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_lines_come_whole_however_they_were_sent(ends: Ends) -> None:
    async with connected(ends) as (intake, _):
        for piece in (b"one\ntw", b"o\r\n", b"\n  \nthr", b"ee", b"\nfour"):
            os.write(ends.write, piece)
            await asyncio.sleep(0.01)
        os.close(ends.write)
        lines = [await intake.line() for _ in range(5)]
    assert lines == [b"one", b"two\r", b"three", b"four", None], "empty lines mean nothing; the last needs no newline"


async def test_an_end_without_a_line_is_an_end(ends: Ends) -> None:
    async with connected(ends) as (intake, _):
        waiting = asyncio.ensure_future(intake.line())
        await asyncio.sleep(0.01)
        os.close(ends.write)
        assert await waiting is None
        assert await intake.line() is None
        assert intake.ended.is_set()


@pytest.mark.parametrize("pieces", [1, 7, 100])
@pytest.mark.parametrize("ended", [True, False])
async def test_an_overlong_line_is_thrown_away_but_for_its_edges(ends: Ends, pieces: int, ended: bool) -> None:
    long = b"H" * EDGE + b"x" * 20_000 + b"T" * EDGE
    size = len(long) // pieces + 1
    async with connected(ends) as (intake, _):
        for start in range(0, len(long), size):
            os.write(ends.write, long[start : start + size])
            await asyncio.sleep(0)
        os.write(ends.write, b"\nnext\n" if ended else b"")
        os.close(ends.write)
        first = await intake.line()
        assert isinstance(first, Oversized)
        assert set(first.head) == set(b"H")
        assert first.tail == b"T" * EDGE
        assert await intake.line() == (b"next" if ended else None)
        assert len(intake._rest) <= 1_000


async def test_a_line_exactly_as_long_as_allowed_is_a_line(ends: Ends) -> None:
    async with connected(ends, 10) as (intake, _):
        os.write(ends.write, b"x" * 10 + b"\n" + b"x" * 11 + b"\n")
        assert await intake.line() == b"x" * 10
        assert await intake.line() == Oversized(b"x" * 11, b"x" * 11)


async def test_past_so_many_lines_the_pipe_is_left_to_fill_and_read_again_later(ends: Ends) -> None:
    os.set_blocking(ends.write, False)
    async with connected(ends) as (intake, _):
        sent = 0
        with suppress(BlockingIOError):
            while sent < 200_000:
                sent += os.write(ends.write, b"0123456789abcde\n" * 64) // 16
                await asyncio.sleep(0)
        assert sent < 200_000, "the writer has to wait"
        assert MAX_WAITING < len(intake._lines) < 10_000
        for _ in range(sent):
            assert await intake.line() == b"0123456789abcde"


async def test_lines_that_come_one_at_a_time_are_bounded_like_all_others(ends: Ends) -> None:
    os.set_blocking(ends.write, False)
    async with connected(ends) as (intake, _):
        sent = 0
        while not intake._paused:
            sent += 1
            assert sent < 10 * MAX_WAITING, "the writer has to wait"
            os.write(ends.write, b"x\n")
            while intake.waiting < sent:
                await asyncio.sleep(0)
        assert intake.waiting == MAX_WAITING + 1
        for _ in range(sent):
            assert await intake.line() == b"x"
        assert not intake._paused


async def test_long_lines_are_bounded_by_their_bytes_too(ends: Ends) -> None:
    size = 1_000_000
    sent = threading.Event()

    def send() -> None:
        with suppress(OSError):
            for _ in range(60):
                view = memoryview(b"x" * size + b"\n")
                while view:
                    view = view[os.write(ends.write, view) :]
            sent.set()

    async with connected(ends, size) as (intake, _):
        thread = threading.Thread(target=send)
        thread.start()
        while not intake._paused:
            await asyncio.sleep(0.01)
        assert intake._held <= MAX_HELD + size + pipes.CHUNK
        for _ in range(60):
            line = await intake.line()
            assert isinstance(line, bytes)
            assert len(line) == size
        await asyncio.to_thread(thread.join)
        assert sent.is_set()
        assert intake._held == 0


async def test_once_stopped_nothing_more_is_taken_from_a_client_that_goes_on_sending(ends: Ends) -> None:
    async with connected(ends) as (intake, _):
        os.write(ends.write, b"one\ntwo\n")
        assert await intake.line() == b"one"
        intake.stop()
        os.write(ends.write, b"three\n")
        await asyncio.sleep(0.02)
        assert await intake.line() is None


async def test_what_is_written_arrives_in_order_and_what_is_left_is_flushed_at_the_end(ends: Ends) -> None:
    async with connected(ends) as (_, outlet):
        for number in range(1_000):
            outlet.write(b"%d\n" % number)
        closing = asyncio.ensure_future(outlet.close(2))
        got = b""
        while got.count(b"\n") < 1_000:
            got += await asyncio.to_thread(os.read, ends.read, 65_536)
        await closing
    assert got == b"".join(b"%d\n" % number for number in range(1_000))


async def test_a_client_that_does_not_read_makes_writers_wait_and_is_given_up_at_the_end(ends: Ends) -> None:
    async with connected(ends) as (_, outlet):
        outlet.write(b"x" * 6_000_000)
        assert outlet.stuck
        drained = asyncio.ensure_future(outlet.drained())
        await asyncio.sleep(0.02)
        assert not drained.done()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await outlet.close(0.1)
        assert loop.time() - begun < 1
        await asyncio.wait_for(drained, 2)
        assert outlet.broken


async def test_a_client_that_reads_again_lets_writers_go_on(ends: Ends) -> None:
    async with connected(ends) as (_, outlet):
        outlet.write(b"x" * 6_000_000)
        drained = asyncio.ensure_future(outlet.drained())
        got = 0
        while got < 6_000_000:
            got += len(await asyncio.to_thread(os.read, ends.read, 1_000_000))
        await asyncio.wait_for(drained, 2)
        assert not outlet.stuck


async def test_a_client_that_closed_its_end_asks_nothing_more(ends: Ends) -> None:
    async with connected(ends) as (intake, outlet):
        waiting = asyncio.ensure_future(intake.line())
        os.close(ends.read)
        assert await asyncio.wait_for(waiting, 2) is None, "although its other end is still open"
        assert outlet.broken
        outlet.write(b"into the void\n")
        await outlet.drained()
        assert not outlet.stuck


async def test_sockets_do_as_well_as_pipes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        intake, outlet = await open_pipes(ours.fileno(), ours.fileno(), 1_000)
        theirs.sendall(b"hello\n")
        assert await intake.line() == b"hello"
        outlet.write(b"goodbye\n")
        await outlet.close(1)
        assert theirs.recv(100) == b"goodbye\n"
        intake.close()
        await asyncio.sleep(0.01)


async def test_files_and_the_null_device_are_pumped_through_and_the_file_is_whole_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"one\ntwo\nthree")
    before = len(os.listdir("/proc/self/fd"))
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as sink:
        intake, outlet = await open_pipes(source.fileno(), sink.fileno(), 1_000)
        assert [await intake.line() for _ in range(4)] == [b"one", b"two", b"three", None]
        for number in range(5_000):
            outlet.write(b"%d\n" % number)
        await outlet.close(5)
    assert (tmp_path / "out").read_bytes() == b"".join(b"%d\n" % number for number in range(5_000))
    with open(os.devnull, "r+b", 0) as nothing:
        intake, outlet = await open_pipes(nothing.fileno(), nothing.fileno(), 1_000)
        assert await intake.line() is None
        outlet.write(b"into the void\n")
        await outlet.close(1)
    for _ in range(100):
        await asyncio.sleep(0.01)
        if len(os.listdir("/proc/self/fd")) <= before:
            break
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_a_file_that_cannot_be_written_is_a_client_that_is_gone(ends: Ends, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with (tmp_path / "out").open("rb") as read_only:
        intake, outlet = await open_pipes(ends.ours_in, read_only.fileno(), 1_000)
        outlet.write(b"one\n")
        assert await asyncio.wait_for(intake.line(), 2) is None
        assert outlet.broken
        await outlet.close(1)
    intake.close()
    await asyncio.sleep(0.01)


def test_what_comes_before_there_is_a_connection_is_kept() -> None:
    intake = Intake(100)
    intake.close()
    intake.data_received(b"x\n" * (MAX_WAITING + 10))
    assert not intake._paused
    intake.connection_lost(None)
    assert len(intake._lines) == MAX_WAITING + 10


async def test_a_client_that_has_left_is_seen_while_nothing_is_read_from_it(ends: Ends) -> None:
    intake, outlet = await open_pipes(ends.ours_in, ends.ours_out, 1000)
    assert intake._transport is not None
    intake._transport.pause_reading()
    os.write(ends.write, b"unread\n")
    assert not intake.abandoned()
    os.close(ends.write)
    assert intake.abandoned()
    assert not intake.ended.is_set()
    intake.close()
    await outlet.close(0)


async def test_of_a_socket_the_end_of_one_half_is_seen_too() -> None:
    ours, theirs = socket.socketpair()
    intake, outlet = await open_pipes(ours.fileno(), ours.fileno(), 1000)
    assert intake._transport is not None
    intake._transport.pause_reading()
    theirs.send(b"unread\n")
    assert not intake.abandoned()
    theirs.shutdown(socket.SHUT_WR)
    assert intake.abandoned()
    intake.close()
    await outlet.close(0)
    ours.close()
    theirs.close()
