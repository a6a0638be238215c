"""What was read outlives the worker that read it, wherever it is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from holdfast.supervisor.incoming import CHUNK, Incoming
from holdfast.supervisor.memory import IN_HEAD, IN_SIZE, IN_TAIL, KEPT, MIB, Memory


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory.create(slots=4, message=MIB)
    yield made
    os.close(made.fd)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    source, sink = os.pipe()
    yield source, sink
    os.close(source)
    os.close(sink)


def fed(memory: Memory, pipe: tuple[int, int], data: bytes) -> Incoming:
    incoming = Incoming(memory)
    os.write(pipe[1], data)
    assert incoming.read(pipe[0]) == data
    return incoming


def test_what_was_read_and_not_taken_is_found_by_the_next(memory: Memory, pipe: tuple[int, int]) -> None:
    fed(memory, pipe, b"one\ntwo\nthr").take(4)
    assert Incoming(memory).recover() == b"two\nthr"


def test_what_was_read_but_not_noted_is_found_all_the_same(memory: Memory, pipe: tuple[int, int]) -> None:
    fed(memory, pipe, b"one\n")
    memory.words[IN_HEAD] -= 4  # killed between the read and the note of it
    assert Incoming(memory).recover() == b"one\n"
    assert Incoming(memory).held == 4


def test_what_was_taken_but_not_wiped_is_not_found_again(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = fed(memory, pipe, b"one\ntwo\n")
    memory.words[IN_TAIL] += 4  # killed between the two
    assert Incoming(memory).recover() == b"two\n"
    incoming.take(4)
    assert Incoming(memory).recover() == b""


def test_the_end_of_the_input_is_told_and_no_room_is_not_the_end(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = Incoming(memory)
    memory.words[IN_HEAD] = memory.words[IN_SIZE]  # full
    os.write(pipe[1], b"more")
    assert incoming.read(pipe[0]) is None
    memory.words[IN_HEAD] = 0
    assert incoming.read(pipe[0]) == b"more"


def test_more_than_the_ring_passes_through_it_and_little_memory_is_kept(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = Incoming(memory)
    line = b"x" * (CHUNK - 1) + b"\n"
    for _ in range(3 * memory.words[IN_SIZE] // CHUNK):
        os.write(pipe[1], line)
        assert incoming.read(pipe[0]) == line
        incoming.take(CHUNK)
    assert incoming.held == 0
    assert os.fstat(memory.fd).st_blocks * 512 < 4 * KEPT


def test_a_line_that_lies_around_the_end_of_the_ring_is_found_whole(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = Incoming(memory)
    size = memory.words[IN_SIZE]
    memory.words[IN_TAIL] = memory.words[IN_HEAD] = size - 3
    os.write(pipe[1], b"abcdef\n")
    assert (incoming.read(pipe[0]), incoming.read(pipe[0])) == (b"abc", b"def\n")
    assert Incoming(memory).recover() == b"abcdef\n"
    incoming.take(7)
    assert Incoming(memory).recover() == b""
