"""The memory that outlives a worker: what is in it is whole, and costs what is used of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from holdfast.supervisor.memory import MIB, NOTE, NOTE_WHICH, Memory


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory.create()
    yield made
    os.close(made.fd)


def test_it_costs_nothing_until_it_is_used(memory: Memory) -> None:
    assert os.fstat(memory.fd).st_size > 1_024 * 4 * MIB
    assert os.fstat(memory.fd).st_blocks * 512 <= 8_192


def test_a_note_is_the_last_one_that_was_kept_whole(memory: Memory) -> None:
    assert memory.note() == b""
    assert memory.keep(b"first")
    assert memory.keep(b"second, longer")
    assert memory.note() == b"second, longer"
    memory.words[NOTE_WHICH] ^= 1  # as if the worker had been killed before the last store
    assert memory.note() == b"first"


def test_a_note_that_is_too_long_leaves_the_last_one(memory: Memory) -> None:
    memory.keep(b"kept")
    assert not memory.keep(bytes(NOTE + 1))
    assert memory.note() == b"kept"


def test_pages_that_were_given_back_are_zero_and_cost_nothing(memory: Memory) -> None:
    start = memory.requests
    memory.bytes[start : start + MIB] = b"x" * MIB
    used = os.fstat(memory.fd).st_blocks
    memory.release(start, start + MIB)
    assert os.fstat(memory.fd).st_blocks < used - 2_000
    assert bytes(memory.bytes[start : start + MIB]) == bytes(MIB)


def test_what_one_process_writes_another_reads(memory: Memory) -> None:
    pid = os.fork()
    if pid == 0:
        memory.keep(b"from the child")
        os._exit(0)
    os.waitpid(pid, 0)
    assert memory.note() == b"from the child"
