"""Requests are kept from the moment they are read until their answers are sure to go out."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from holdfast.supervisor.memory import MIB, OUT_COMMITTED, Memory
from holdfast.supervisor.requests import Requests


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory.create(slots=3, message=MIB)
    yield made
    os.close(made.fd)


def test_what_was_not_answered_is_found_in_the_order_in_which_it_came(memory: Memory) -> None:
    requests = Requests(memory)
    first, second, third = (requests.begin(line) for line in (b"one", b"two", b"three"))
    assert second is not None
    requests.end([second])
    again = requests.begin(b"four")
    assert again == second
    left = Requests(memory).recover()
    assert [(request.line, request.slot, request.sent) for request in left] == [
        (b"one", first, 1),
        (b"three", third, 1),
        (b"four", second, 1),
    ]


def test_an_answer_counts_from_the_moment_it_is_committed(memory: Memory) -> None:
    requests = Requests(memory)
    slots = [slot for line in (b"one", b"two") if (slot := requests.begin(line)) is not None]
    requests.answered(slots, 100)
    memory.words[OUT_COMMITTED] = 99  # killed before the commit
    left = Requests(memory).recover()
    assert [request.line for request in left] == [b"one", b"two"]
    requests.answered(slots[:1], 120)
    memory.words[OUT_COMMITTED] = 120  # killed after the commit, and before the slot was free
    successor = Requests(memory)
    assert [request.line for request in successor.recover()] == [b"two"]
    assert successor.free == 2


def test_how_many_workers_had_a_request_is_counted(memory: Memory) -> None:
    requests = Requests(memory)
    slot = requests.begin(b"one")
    assert slot is not None
    requests.again(slot)
    assert Requests(memory).recover()[0].sent == 2


def test_when_all_places_are_taken_or_a_line_is_too_long_nothing_is_kept(memory: Memory) -> None:
    requests = Requests(memory)
    assert requests.begin(bytes(MIB + 1)) is None
    assert [requests.begin(b"x") is not None for _ in range(4)] == [True, True, True, False]


def test_a_large_request_costs_nothing_once_it_is_answered(memory: Memory) -> None:
    requests = Requests(memory)
    slot = requests.begin(b"x" * MIB)
    assert slot is not None
    used = os.fstat(memory.fd).st_blocks
    requests.end([slot])
    assert os.fstat(memory.fd).st_blocks < used - 2_000
