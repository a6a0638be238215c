"""What was read outlives the worker that read it, wherever it is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from holdfast.supervisor.incoming import CHUNK, Incoming
from holdfast.supervisor.memory import (
    IN_BEGUN,
    IN_DUE,
    IN_HEAD,
    IN_PLACE,
    IN_SIZE,
    IN_TAIL,
    KEPT,
    MIB,
    OUT_COMMITTED,
    Memory,
)


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


def dealt(incoming: Incoming, count: int) -> None:
    """Give out ``count`` bytes and be done with them."""
    incoming.given(count)
    incoming.due(0)
    incoming.done()


def test_what_was_read_is_found_by_the_next_and_what_somebody_had_begun_with_apart(
    memory: Memory, pipe: tuple[int, int]
) -> None:
    incoming = fed(memory, pipe, b"one\ntwo\nthr")
    dealt(incoming, 4)
    assert Incoming(memory).recover() == (b"", b"two\nthr")
    incoming.given(4)
    assert Incoming(memory).recover() == (b"two\n", b"thr")


def test_what_was_read_but_not_noted_is_found_all_the_same(memory: Memory, pipe: tuple[int, int]) -> None:
    fed(memory, pipe, b"one\n")
    memory.words[IN_HEAD] -= 4  # killed between the read and the note of it
    assert Incoming(memory).recover() == (b"", b"one\n")
    assert Incoming(memory).held == 4


def test_what_was_due_is_dealt_with_from_the_moment_the_output_is_committed(
    memory: Memory, pipe: tuple[int, int]
) -> None:
    incoming = fed(memory, pipe, b"one\ntwo\n")
    incoming.given(4)
    incoming.due(100)
    memory.words[OUT_COMMITTED] = 99  # killed before the commit
    assert Incoming(memory).recover() == (b"one\n", b"two\n")
    memory.words[OUT_COMMITTED] = 200  # by the next worker, for something else: nothing is due any more
    assert Incoming(memory).recover() == (b"one\n", b"two\n")
    incoming.due(300)
    memory.words[OUT_COMMITTED] = 300  # killed before the wipe
    assert Incoming(memory).recover() == (b"", b"two\n")
    assert bytes(memory.bytes[memory.incoming : memory.incoming + 5]) == b"\0\0\0\0t"


def test_killed_between_the_two_notes_of_what_is_due_nothing_is(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = fed(memory, pipe, b"one\ntwo\n")
    incoming.given(4)
    memory.words[OUT_COMMITTED] = 50
    memory.words[IN_PLACE] = 60
    assert Incoming(memory).recover() == (b"one\n", b"two\n")
    assert memory.words[IN_DUE] == memory.words[IN_TAIL]


def test_killed_while_it_wiped_and_the_rest_is_wiped_by_the_next(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = fed(memory, pipe, b"one\ntwo\n")
    incoming.given(8)
    incoming.due(0)
    memory.bytes[memory.incoming : memory.incoming + 3] = bytes(3)
    assert Incoming(memory).recover() == (b"", b"")
    assert not any(memory.bytes[memory.incoming : memory.incoming + 100])
    assert memory.words[IN_TAIL] == memory.words[IN_BEGUN] == memory.words[IN_HEAD] == 8


def test_the_end_of_the_input_is_told_and_no_room_is_not_the_end(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = Incoming(memory)
    memory.words[IN_HEAD] = memory.words[IN_SIZE]
    os.write(pipe[1], b"more")
    assert incoming.full
    assert incoming.read(pipe[0]) is None
    memory.words[IN_HEAD] = 0
    assert incoming.read(pipe[0]) == b"more"


def test_more_than_the_ring_passes_through_it_and_little_memory_is_kept(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = Incoming(memory)
    line = b"x" * (CHUNK - 1) + b"\n"
    for _ in range(3 * memory.words[IN_SIZE] // CHUNK):
        os.write(pipe[1], line)
        assert incoming.read(pipe[0]) == line
        dealt(incoming, CHUNK)
    assert incoming.held == 0
    assert os.fstat(memory.fd).st_blocks * 512 < 4 * KEPT


def test_a_line_that_lies_around_the_end_of_the_ring_is_found_whole(memory: Memory, pipe: tuple[int, int]) -> None:
    incoming = Incoming(memory)
    size = memory.words[IN_SIZE]
    incoming.given(size - 3)
    memory.words[IN_TAIL] = memory.words[IN_HEAD] = size - 3
    os.write(pipe[1], b"abcdef\n")
    assert (incoming.read(pipe[0]), incoming.read(pipe[0])) == (b"abc", b"def\n")
    assert Incoming(memory).recover() == (b"", b"abcdef\n")
    dealt(incoming, 7)
    assert Incoming(memory).recover() == (b"", b"")


def test_in_a_ring_that_is_nearly_full_what_is_held_is_not_taken_for_what_came_after_it(
    memory: Memory, pipe: tuple[int, int]
) -> None:
    size = memory.words[IN_SIZE]
    tail, left = size // 2, 10
    memory.words[IN_BEGUN] = memory.words[IN_TAIL] = memory.words[IN_HEAD] = tail
    for start in range(0, size - left, 50_000):  # as a pipe gives it, and around the end of the ring
        part = b"x" * min(50_000, size - left - start)
        os.write(pipe[1], part)
        incoming = Incoming(memory)
        while memory.words[IN_HEAD] < tail + start + len(part):
            incoming.read(pipe[0])
    assert Incoming(memory).recover() == (b"", b"x" * (size - left))
    assert Incoming(memory).held == size - left
