"""The memory that outlives a worker: what is in it is whole, and costs what is used of it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.supervisor.memory import MIB, NOTE, NOTE_WHICH, Memory, possible


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


def test_where_it_cannot_be_had_nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    really = os.memfd_create
    monkeypatch.setattr(os, "memfd_create", lambda *words: made.append(really(*words)) or made[-1])
    monkeypatch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        Memory.create()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(made[0])


def test_pipes_and_sockets_are_supervised_and_whoever_sits_at_a_terminal_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, (one, other) = os.pipe(), socket.socketpair()
    with one, other, (tmp_path / "file").open("wb") as file:
        assert possible(ends) is None
        assert possible((one.fileno(), other.fileno())) is None
        assert possible((ends[0], file.fileno())) == ""
        monkeypatch.setattr(sys, "platform", "win32")
        assert possible(ends) == "this system has no files in memory, or cannot splice"
    for fd in ends:
        os.close(fd)
