"""Lines read and written through memory that outlives this process: bounded both ways, and handed on whole."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.safe.json import Bounds
from holdfast.supervisor.memory import IN_HEAD, IN_TAIL, KEPT, MIB, OUT_COMMITTED, SLOTS, Memory
from holdfast.supervisor.outgoing import Channel
from holdfast.wire.kept import KeptIntake, keep
from holdfast.wire.keptoutlet import KeptOutlet
from holdfast.wire.pipes import MAX_WAITING, Oversized
from holdfast.wire.stdio import Lines
from holdfast.wire.underway import UnderWay

BOUNDS = Bounds(bytes=MIB, depth=40, elements=10_000, string=MIB)
PATIENCE = 10.0
"""Seconds that a test waits for what must come."""
LINE = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{}}\n'


class Kept:
    """One worker's end of it, and the client's ends: ``sent`` and ``received``."""

    def __init__(self, memory: Memory, channel: Channel, ends: tuple[int, int], max_line: int = MIB) -> None:
        self.memory, self.channel = memory, channel
        worker: Any = SimpleNamespace(memory=memory, channel=channel, input=ends[0], output=ends[1])
        self.intake: KeptIntake
        self.outlet: KeptOutlet
        self.under_way: UnderWay
        self.intake, self.outlet, self.under_way = keep(worker, max_line)
        self.lines = Lines(self.intake, self.outlet, None, BOUNDS)
        self.left = self.under_way.recover(self.intake.recover(), self.lines.named)
        self.lines.keeper = self.under_way
        self.outlet.start()
        self.intake.start()

    async def ask(self) -> int:
        """The id of the next request."""
        async with asyncio.timeout(PATIENCE):
            message = await self.lines.message()
        assert message is not None
        number: int = message.body["id"]
        return number

    def answer(self, number: int, data: bytes = b"") -> None:
        self.lines.settle(number)
        self.outlet.write(data or b"%d\n" % number)

    def gone(self) -> None:
        """As if it were killed: it lets go of the loop, and notes nothing."""
        self.intake.pause_reading()
        self.outlet._watch_no_more()


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory.create(slots=16, message=MIB, answer=MIB)
    yield made
    os.close(made.fd)


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    yield made
    made.close()


@pytest.fixture
def pipes() -> Iterator[tuple[int, int, int, int]]:
    """Input, what the client sends by; output, what it receives by."""
    source, sent = os.pipe()
    received, sink = os.pipe()
    yield source, sent, sink, received
    for end in (source, sent, sink, received):
        try:
            os.close(end)
        except OSError:
            continue  # a test has closed it


Start = Callable[[], Kept]


@pytest.fixture
def start(memory: Memory, channel: Channel, pipes: tuple[int, int, int, int]) -> Start:
    return lambda: Kept(memory, channel, (pipes[0], pipes[2]))


async def receive(end: int, count: int) -> bytes:
    """So many bytes, while the loop goes on."""
    os.set_blocking(end, False)
    received = b""
    async with asyncio.timeout(PATIENCE):
        while len(received) < count:
            await asyncio.sleep(0)
            with suppress(BlockingIOError):
                received += os.read(end, MIB)
    os.set_blocking(end, True)
    return received


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def killed(_put: int) -> None:
    raise KeyboardInterrupt


def again(kept: Kept, pipes: tuple[int, int, int, int]) -> Kept:
    kept.gone()
    return Kept(kept.memory, kept.channel, (pipes[0], pipes[2]))


async def test_a_call_that_does_not_wait_takes_no_slot_and_leaves_nothing(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    for number in range(100):
        os.write(pipes[1], LINE % number)
        assert await kept.ask() == number
        kept.answer(number)
        assert os.read(pipes[3], 100) == b"%d\n" % number
    assert kept.under_way.open == {}
    assert kept.memory.words[IN_TAIL] == kept.memory.words[IN_HEAD]
    assert not any(kept.memory.bytes[kept.memory.incoming : kept.memory.incoming + 10_000])


async def test_what_waits_while_others_are_answered_is_kept_for_the_next(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    os.write(pipes[1], b"".join(LINE % number for number in range(4)) + b'{"jsonrpc"')
    assert [await kept.ask() for _ in range(3)] == [0, 1, 2]
    kept.answer(1)
    assert os.read(pipes[3], 100) == b"1\n"
    successor = again(kept, pipes)
    assert [request.line for request in successor.left] == [(LINE % number)[:-1] for number in (0, 2)]
    assert await successor.ask() == 3
    for request in successor.left:
        successor.lines.resume(request.line, request.slot)
    assert [await successor.ask() for _ in range(2)] == [0, 2]
    for number in (3, 0, 2):
        successor.answer(number)
    assert os.read(pipes[3], 100) == b"3\n0\n2\n"
    assert again(successor, pipes).left == []


async def test_a_request_that_was_dropped_is_not_served_again(start: Start, pipes: tuple[int, int, int, int]) -> None:
    kept = start()
    os.write(pipes[1], LINE % 1 + LINE % 2)
    assert [await kept.ask(), await kept.ask()] == [1, 2]
    kept.lines.drop(1)
    kept.answer(2)
    assert again(kept, pipes).left == []


async def test_blank_and_overlong_lines_leave_nothing_in_the_input(
    memory: Memory, channel: Channel, pipes: tuple[int, int, int, int]
) -> None:
    kept = Kept(memory, channel, (pipes[0], pipes[2]), max_line=2_000)
    os.write(pipes[1], b"\n  \n" + LINE % 1)
    assert await kept.ask() == 1
    os.write(pipes[1], b"\n" + b"x" * 5_000)
    await turns()
    assert memory.words[IN_TAIL] == memory.words[IN_HEAD], "what is thrown away is not kept"
    kept.answer(1)
    os.write(pipes[1], b"y" * 5_000 + b"\n" + LINE % 2)
    line = await kept.intake.line()
    assert isinstance(line, Oversized)
    kept.intake.taken()
    assert await kept.ask() == 2
    kept.answer(2)
    assert memory.words[IN_TAIL] == memory.words[IN_HEAD]
    assert os.read(pipes[3], 100) == b"1\n2\n"


async def test_a_client_that_sends_more_than_is_taken_is_slowed_down(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    os.write(pipes[1], b"".join(LINE % number for number in range(MAX_WAITING + 10)))
    await turns()
    assert not kept.intake._reading
    for number in range(MAX_WAITING + 10):
        assert await kept.ask() == number
        kept.answer(number)
    assert kept.intake._reading


async def test_a_full_input_is_emptied_into_slots_and_goes_on(start: Start, pipes: tuple[int, int, int, int]) -> None:
    kept = start()
    size = 60_000
    big = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"x":"' + b"x" * size + b'"}}\n'
    count = 4 * MIB // size + 8
    for number in range(count):
        os.write(pipes[1], big % number)
        assert await kept.ask() == number
        if number % 10:
            kept.lines.settle(number)  # answered, and its answer is held back
    assert len(kept.under_way.open) < 10
    assert kept.memory.words[IN_HEAD] - kept.memory.words[IN_TAIL] < 4 * MIB


async def test_an_input_full_of_lines_that_nobody_takes_is_read_on_when_they_are(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    line = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"x":"' + b"x" * 60_000 + b'"}}\n'
    sent = 0
    os.set_blocking(pipes[1], False)
    while kept.intake._reading:
        os.write(pipes[1], line % sent)
        sent += 1
        await turns(8)
    assert kept.memory.words[IN_HEAD] - kept.memory.words[IN_TAIL] == 4 * MIB
    for number in range(sent):
        assert await kept.ask() == number
        kept.answer(number)
        assert os.read(pipes[3], 100) == b"%d\n" % number


async def test_the_end_of_the_input_ends_the_lines_with_the_last_one(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    os.write(pipes[1], LINE[:-1] % 1)
    os.close(pipes[1])
    assert await kept.ask() == 1
    kept.lines.drop(1)
    assert await kept.lines.message() is None


async def test_an_input_that_fails_has_ended(start: Start) -> None:
    kept = start()
    kept.intake._fd = os.open("/", os.O_RDONLY)  # EISDIR, as a terminal that is gone says EIO
    kept.intake._readable()
    os.close(kept.intake._fd)
    assert kept.intake.ended.is_set()


async def test_whoever_leaves_takes_no_more_and_what_has_come_is_the_next_ones(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    os.write(pipes[1], LINE % 1 + LINE % 2)
    assert await kept.ask() == 1
    kept.answer(1)
    kept.intake.leave()
    assert await kept.intake.line() is None
    kept.intake.taken()
    assert await again(kept, pipes).ask() == 2


async def test_a_slow_reader_gets_everything_in_order_and_is_noticed(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    expected = b""
    for number in range(12):
        line = b"%d:" % number + b"x" * 900_000 + b"\n"  # more than the ring holds, so that some wait outside it
        expected += line
        kept.outlet.write(line)
    assert kept.outlet.stuck
    assert await receive(pipes[3], len(expected)) == expected
    assert not kept.outlet.stuck
    kept.outlet.write(b"after\n")
    assert os.read(pipes[3], 100) == b"after\n"


async def test_an_answer_that_waits_for_room_is_kept_until_it_is_committed(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    os.write(pipes[1], LINE % 1)
    assert await kept.ask() == 1
    while not kept.outlet._backlog:
        kept.outlet.write(b"x" * 999_999 + b"\n")
    kept.answer(1)
    kept.gone()
    left = Kept(kept.memory, kept.channel, (pipes[0], pipes[2]))
    assert [request.line for request in left.left] == [(LINE % 1)[:-1]]


async def test_a_client_that_takes_part_of_an_answer_gets_the_rest_later(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    fcntl.fcntl(pipes[2], fcntl.F_SETPIPE_SZ, 4_096)
    os.write(pipes[1], LINE % 1 + LINE % 2)
    assert [await kept.ask(), await kept.ask()] == [1, 2]
    kept.answer(1, b"1" * 9_999 + b"\n")
    kept.answer(2, b"2" * 9_999 + b"\n")
    successor = again(kept, pipes)
    assert successor.left == []
    assert await receive(pipes[3], 20_000) == b"1" * 9_999 + b"\n" + b"2" * 9_999 + b"\n"


async def test_where_our_own_pipe_takes_only_a_part_nothing_of_it_leaves_that_way(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    fcntl.fcntl(kept.channel.sink, fcntl.F_SETPIPE_SZ, 4_096)  # as when the kernel has no memory for more
    os.write(pipes[1], LINE % 1 + LINE % 2)
    assert [await kept.ask(), await kept.ask()] == [1, 2]
    kept.answer(2, b"y" * 9_999 + b"\n")
    assert await receive(pipes[3], 10_000) == b"y" * 9_999 + b"\n"
    assert [request.line for request in again(kept, pipes).left] == [(LINE % 1)[:-1]]


async def test_killed_with_a_part_in_our_own_pipe_the_answer_is_not_sent(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    os.write(pipes[1], LINE % 1)
    assert await kept.ask() == 1
    kept.lines.settle(1)
    fcntl.fcntl(kept.channel.sink, fcntl.F_SETPIPE_SZ, 4_096)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept.outlet._straight, "_take_back", killed)
        with pytest.raises(KeyboardInterrupt):
            kept.outlet.write(b"y" * 9_999 + b"\n")
    successor = again(kept, pipes)
    assert [request.line for request in successor.left] == [(LINE % 1)[:-1]]
    successor.outlet.write(b"whole\n")
    assert os.read(pipes[3], MIB) == b"whole\n"


async def test_a_client_that_is_gone_ends_the_lines(start: Start, pipes: tuple[int, int, int, int]) -> None:
    kept = start()
    os.close(pipes[3])
    kept.outlet.write(b"nobody\n")
    kept.outlet.write(b"nobody\n")
    assert kept.outlet.broken
    assert await kept.intake.line() is None
    await kept.outlet.close(1)


async def test_a_client_that_closes_its_end_is_noticed_while_nothing_is_written(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    os.close(pipes[3])
    assert await kept.intake.line() is None
    assert kept.outlet.broken


async def test_a_slow_client_that_leaves_is_noticed_by_what_waits(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    kept.outlet.write(b"x" * 500_000 + b"\n")
    os.close(pipes[3])
    kept.outlet._move()
    assert kept.outlet.broken


async def test_what_a_client_sends_on_the_socket_of_its_answers_does_not_end_it(
    memory: Memory, channel: Channel, pipes: tuple[int, int, int, int]
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        kept = Kept(memory, channel, (pipes[0], ours.fileno()))
        theirs.send(b"?")
        await turns()
        kept.outlet.write(b"answer\n")
        assert theirs.recv(100) == b"answer\n"
        assert not kept.outlet.broken
        kept.gone()


async def test_what_is_still_on_its_way_at_the_end_is_waited_for_and_then_left_to_the_next(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    kept.outlet.write(b"x" * 300_000 + b"\n")
    await kept.outlet.close(0.01)
    kept.intake.close()
    assert kept.memory.words[OUT_COMMITTED] == 300_001
    successor = again(kept, pipes)

    def read() -> bytes:
        received = b""
        while len(received) < 300_001:
            received += os.read(pipes[3], MIB)
        return received

    reading = asyncio.get_running_loop().run_in_executor(None, read)
    await successor.outlet.close(5)
    assert await reading == b"x" * 300_000 + b"\n"


async def test_so_many_calls_as_pass_the_kept_part_of_the_input_keep_it_small(
    start: Start, pipes: tuple[int, int, int, int]
) -> None:
    kept = start()
    line = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"x":"' + b"x" * 30_000 + b'"}}\n'
    for number in range(2 * KEPT // 30_000 + 40):
        os.write(pipes[1], line % number)
        assert await kept.ask() == number
        kept.answer(number)
        os.read(pipes[3], 100)
    assert os.fstat(kept.memory.fd).st_blocks * 512 < 2 * KEPT
    assert again(kept, pipes).left == []
    assert kept.memory.words[SLOTS] == 16
