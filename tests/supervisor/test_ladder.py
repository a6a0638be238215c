"""A worker whose loop stands still is interrupted, aborted and killed, one after the other, and only then."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from holdfast.supervisor.control import Control
from holdfast.supervisor.ladder import Ladder
from holdfast.supervisor.memory import BEAT, MIB, Memory
from holdfast.supervisor.worker import Child


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory.create(slots=1, message=MIB)
    yield made
    os.close(made.fd)


@pytest.fixture
def child() -> Iterator[Child]:
    ours, theirs = Control.pair()
    yield Child(pid=0, control=ours, began=0.0, state="serving", ready_at=100.0, ladder=[10.0, 12.0, 13.0])
    ours.close()
    theirs.close()


def looks(ladder: Ladder, child: Child, start: float, end: float) -> list[tuple[float, signal.Signals]]:
    found = []
    for tick in range(int(start * 4), int(end * 4) + 1):
        number = ladder.look(child, tick / 4)
        if number is not None:
            found.append((tick / 4, number))
    return found


def test_each_rung_is_taken_once(memory: Memory, child: Child) -> None:
    memory.words[BEAT] = int(100e9)
    assert looks(Ladder(memory, 100.0), child, 100.0, 115.0) == [
        (110.0, signal.SIGUSR2),
        (112.0, signal.SIGABRT),
        (113.0, signal.SIGKILL),
    ]


def test_whoever_looks_late_still_takes_one_rung_after_the_other(memory: Memory, child: Child) -> None:
    child.ladder = [1.0, 1.1, 1.2]
    memory.words[BEAT] = int(100e9)
    assert looks(Ladder(memory, 100.0), child, 100.0, 103.0) == [
        (101.0, signal.SIGUSR2),
        (101.25, signal.SIGABRT),
        (101.5, signal.SIGKILL),
    ]


def test_a_loop_that_turns_again_begins_at_the_bottom(memory: Memory, child: Child) -> None:
    ladder = Ladder(memory, 100.0)
    memory.words[BEAT] = int(100e9)
    assert looks(ladder, child, 100.0, 111.0) == [(110.0, signal.SIGUSR2)]
    memory.words[BEAT] = int(111e9)
    assert looks(ladder, child, 111.0, 122.0) == [(121.0, signal.SIGUSR2)]


def test_when_the_machine_stood_still_the_worker_gets_its_time(memory: Memory, child: Child) -> None:
    ladder = Ladder(memory, 100.0)
    memory.words[BEAT] = int(100e9)
    assert ladder.look(child, 100.25) is None
    assert ladder.look(child, 400.0) is None, "nobody ran for five minutes"
    assert looks(ladder, child, 400.25, 411.0) == [(410.0, signal.SIGUSR2)]


def test_a_worker_that_has_just_begun_is_not_judged_by_the_one_before(memory: Memory, child: Child) -> None:
    memory.words[BEAT] = int(50e9)
    assert looks(Ladder(memory, 100.0), child, 100.0, 109.0) == []
