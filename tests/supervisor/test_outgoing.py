"""No byte for the client is lost or doubled, wherever the worker that writes it is killed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from holdfast.supervisor.memory import MIB, ORDER, OUT_COMMITTED, OUT_MOVED, OUT_TARGET, Memory
from holdfast.supervisor.outgoing import Channel, Outgoing


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory.create(slots=4, message=MIB, answer=MIB)
    yield made
    os.close(made.fd)


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    yield made
    made.close()


@pytest.fixture
def client() -> Iterator[tuple[int, int]]:
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    yield source, sink
    os.close(source)
    os.close(sink)


def test_what_was_put_but_not_committed_never_leaves(memory: Memory, channel: Channel, client: tuple[int, int]) -> None:
    Outgoing(memory, channel).put(b"half a line")
    successor = Outgoing(memory, channel)
    successor.recover()
    successor.commit(successor.put(b"whole\n"))
    assert successor.move(client[1])
    assert os.read(client[0], 100) == b"whole\n"


@pytest.mark.parametrize("inside", [0, 3, 6])
def test_what_the_pipe_holds_tells_how_much_was_put_there(
    memory: Memory, channel: Channel, client: tuple[int, int], inside: int
) -> None:
    outgoing = Outgoing(memory, channel)
    outgoing.commit(outgoing.put(b"abcdef"))
    memory.words[OUT_TARGET] = 6  # killed while it filled the pipe
    os.write(channel.sink, b"abcdef"[:inside])
    successor = Outgoing(memory, channel)
    successor.recover()
    assert successor.move(client[1])
    assert os.read(client[0], 100) == b"abcdef"


def test_killed_between_the_stores_at_the_start_of_a_new_round(
    memory: Memory, channel: Channel, client: tuple[int, int]
) -> None:
    memory.words[OUT_MOVED] = 10 * MIB
    memory.words[OUT_TARGET] = memory.words[OUT_COMMITTED] = 5 * MIB
    successor = Outgoing(memory, channel)
    successor.recover()
    assert successor.waiting == 0
    successor.commit(successor.put(b"on\n"))
    assert successor.move(client[1])
    assert os.read(client[0], 100) == b"on\n"


def test_a_client_that_does_not_read_holds_nobody_up_and_gets_it_all_later(
    memory: Memory, channel: Channel, client: tuple[int, int]
) -> None:
    outgoing = Outgoing(memory, channel)
    sent = random.Random(1).randbytes(3 * MIB)
    outgoing.commit(outgoing.put(sent))
    assert not outgoing.move(client[1])
    received = b""
    while outgoing.waiting or len(received) < len(sent):
        received += os.read(client[0], MIB)
        outgoing.move(client[1])
    assert received == sent


def test_a_client_that_is_gone_is_told(memory: Memory, channel: Channel) -> None:
    source, sink = os.pipe()
    os.close(source)
    outgoing = Outgoing(memory, channel)
    outgoing.commit(outgoing.put(b"nobody\n"))
    with pytest.raises(BrokenPipeError):
        outgoing.move(sink)
    os.close(sink)


def worker(memory: Memory, channel: Channel, sink: int, seed: int) -> None:
    """Go on with the lines after what was committed, until killed."""
    rng = random.Random(seed)
    outgoing = Outgoing(memory, channel)
    outgoing.recover()
    while True:
        number = memory.words[ORDER]  # ORDER: the next number, noted before the commit that carries it
        data = b"%d:%s\n" % (number, b"y" * rng.choice((0, 10, 4_000, 70_000)))
        if outgoing.room > len(data):
            place = outgoing.put(data)
            memory.words[21] = place  # before the number: an old number beside a new place says nothing wrong
            memory.words[20] = number + 1
            outgoing.commit(place)
            memory.words[ORDER] = number + 1
        outgoing.move(sink)


def test_a_writer_that_is_killed_again_and_again_tears_and_doubles_nothing(memory: Memory, channel: Channel) -> None:
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    received: list[bytes] = []

    def read() -> None:
        with os.fdopen(source, "rb") as stream:
            received.extend(line.partition(b":")[0] for line in stream)

    reader = threading.Thread(target=read)
    reader.start()
    rng = random.Random(7)
    for seed in range(int(os.environ.get("SOAK_KILLS", "40"))):
        pid = os.fork()
        if pid == 0:
            try:
                worker(memory, channel, sink, seed)
            finally:
                os._exit(1)
        time.sleep(rng.uniform(0.0005, 0.02))  # real time: where the kill falls is the point
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if memory.words[21] and memory.words[21] <= memory.words[OUT_COMMITTED]:
            memory.words[ORDER] = memory.words[20]  # committed, and killed before that was noted
    last = Outgoing(memory, channel)
    last.recover()
    os.set_blocking(sink, True)
    while not last.move(sink):
        pass
    os.close(sink)
    reader.join()
    assert received == [b"%d" % number for number in range(memory.words[ORDER])]
