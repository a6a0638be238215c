"""Every request is answered once and served at most once, wherever the worker that has it is killed."""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from holdfast.supervisor.incoming import Incoming
from holdfast.supervisor.memory import IN_HEAD, IN_TAIL, MIB, OUT_COMMITTED, SLOTS, Memory
from holdfast.supervisor.outgoing import Channel, Outgoing
from holdfast.supervisor.requests import Requests
from holdfast.supervisor.straight import Straight
from holdfast.wire.underway import NOWHERE, UnderWay

LINES = 200_000
"""More than can be served while the kills last."""
WAITING = 3
"""Calls at most that a worker lets wait while it answers others."""
TOGETHER = 20
"""Lines that are begun with before the next write; slots are for them, and for what waits from before."""


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory.create(slots=2 * TOGETHER, message=MIB, answer=MIB)
    yield made
    os.close(made.fd)


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    yield made
    made.close()


def named(line: bytes) -> int | None:
    return int(line.partition(b":")[0]) if line.partition(b":")[0].isdigit() else None


def given(memory: Memory, *lines: bytes) -> UnderWay:
    """Lines that were read, given out and begun."""
    source, sink = os.pipe()
    incoming = Incoming(memory)
    under_way = UnderWay(incoming, Requests(memory))
    for line in lines:
        os.write(sink, line + b"\n")
        incoming.read(source)
        incoming.given(len(line) + 1)
        if (key := named(line)) is not None:
            under_way.begin(key, line)
    os.close(source)
    os.close(sink)
    return under_way


def left(memory: Memory) -> list[tuple[bytes, int]]:
    """What the next worker finds, and how many had it."""
    incoming = Incoming(memory)
    begun, _ = incoming.recover()
    found = UnderWay(incoming, Requests(memory)).recover(begun.split(b"\n"), named)
    return [(request.line, request.sent) for request in found]


def committed(memory: Memory, under_way: UnderWay, upto: int, *, seen: bool = True) -> None:
    """Something is written that ends there; ``seen``: the worker lives to note it."""
    slots = under_way.committing(upto)
    memory.words[OUT_COMMITTED] = upto
    if seen:
        under_way.committed(slots)


def test_what_was_begun_and_not_answered_is_found_in_the_order_in_which_it_came(memory: Memory) -> None:
    given(memory, b"1:a", b"news", b"2:b", b"", b"3:c")
    assert left(memory) == [(b"1:a", 1), (b"2:b", 1), (b"3:c", 1)]
    assert left(memory) == [(b"1:a", 1), (b"2:b", 1), (b"3:c", 1)]  # from slots: the input is free
    assert memory.words[IN_TAIL] == memory.words[IN_HEAD]


def test_what_no_slot_is_left_for_is_found_all_the_same_and_can_be_answered(memory: Memory) -> None:
    lines = [b"%d:a" % number for number in range(2 * TOGETHER + 1)]
    given(memory, *lines)
    incoming = Incoming(memory)
    under_way = UnderWay(incoming, Requests(memory))
    found = under_way.recover(incoming.recover()[0].split(b"\n"), named)
    assert [request.line for request in found] == lines
    assert [request.slot == NOWHERE for request in found] == [False] * (2 * TOGETHER) + [True]
    for request in found:
        under_way.told(request.slot)
    committed(memory, under_way, 100)
    assert left(memory) == []


@pytest.mark.parametrize("seen", [False, True])
def test_what_was_answered_is_free_from_the_commit_on_and_what_was_not_is_kept(memory: Memory, seen: bool) -> None:
    under_way = given(memory, b"1:a", b"2:b", b"3:c")
    under_way.answered(2)
    committed(memory, under_way, 100, seen=seen)
    assert left(memory) == [(b"1:a", 1), (b"3:c", 1)]


@pytest.mark.parametrize("seen", [False, True])
def test_what_had_to_wait_is_free_from_the_commit_of_its_own_answer_on(memory: Memory, seen: bool) -> None:
    under_way = given(memory, b"1:a", b"2:b")
    under_way.answered(2)
    committed(memory, under_way, 100)
    under_way.answered(1)
    committed(memory, under_way, 200, seen=seen)
    assert left(memory) == []
    assert Requests(memory).free == memory.words[SLOTS]


def test_an_answer_that_was_not_committed_is_none(memory: Memory) -> None:
    under_way = given(memory, b"1:a")
    under_way.answered(1)
    under_way.committing(100)  # killed before the commit
    assert left(memory) == [(b"1:a", 1)]


def test_killed_between_the_copy_into_a_slot_and_the_commit_it_is_found_once(memory: Memory) -> None:
    under_way = given(memory, b"1:a", b"2:b")
    under_way.answered(2)
    under_way.committing(100)
    assert sorted(left(memory)) == [(b"1:a", 1), (b"2:b", 1)]
    assert Requests(memory).free == memory.words[SLOTS] - 2


def test_what_needs_no_answer_any_more_takes_no_place(memory: Memory) -> None:
    under_way = given(memory, b"1:a", b"2:b", b"3:c")
    under_way.dropped(1)
    under_way.clear()
    assert Requests(memory).free == memory.words[SLOTS] - 2
    under_way.dropped(2)
    assert left(memory) == [(b"3:c", 1)]


def test_what_is_written_later_frees_its_requests_then_and_the_input_at_once(memory: Memory) -> None:
    under_way = given(memory, b"1:a", b"2:b")
    under_way.answered(1)
    slots = under_way.postponed()
    assert memory.words[IN_TAIL] == memory.words[IN_HEAD]
    under_way.late(slots, 100)
    memory.words[OUT_COMMITTED] = 100
    under_way.free(slots)
    assert left(memory) == [(b"2:b", 1)]


def test_more_than_there_are_slots_is_served_all_the_same_and_not_kept(memory: Memory) -> None:
    numbers = range(memory.words[SLOTS] + 2)
    under_way = given(memory, *(b"%d:x" % number for number in numbers))
    under_way.clear()
    for number in numbers:
        under_way.answered(number)
    committed(memory, under_way, 100)
    assert left(memory) == []


def serve(memory: Memory, channel: Channel, ends: tuple[int, int], served: mmap.mmap, rng: random.Random) -> None:
    """A worker without a loop: answers what it can, some of it later, until it is killed."""
    outgoing, incoming = Outgoing(memory, channel), Incoming(memory)
    outgoing.recover()
    under_way = UnderWay(incoming, Requests(memory))
    begun, rest = incoming.recover()
    straight = Straight(memory, channel, incoming, ends[1])
    write = writer(outgoing, straight, under_way, ends[1])
    for request in under_way.recover(begun.split(b"\n"), named):
        under_way.told(request.slot)
        write(b"%d:lost\n" % (named(request.line) or 0))
    waiting: list[int] = []
    lines: list[bytes] = []
    while True:
        if not lines:
            rest += incoming.read(ends[0]) or b""
            *lines, rest = rest.split(b"\n")
        some, lines = lines[:TOGETHER], lines[TOGETHER:]
        for line in some:
            incoming.given(len(line) + 1)
            number = int(line.partition(b":")[0])
            under_way.begin(number, line)
            served[number] += 1
            waiting.append(number)
        answers = []
        for number in rng.sample(waiting, len(waiting) - min(len(waiting), rng.randrange(WAITING + 1))):
            waiting.remove(number)
            under_way.answered(number)
            answers.append(b"%d:%s\n" % (number, b"y" * rng.choice((0, 9, 9, 900, 9_000))))
        if answers:
            write(b"".join(answers))


def writer(outgoing: Outgoing, straight: Straight, under_way: UnderWay, sink: int) -> Callable[[bytes], None]:
    """As the outlet does it, but for the waiting."""

    def write(data: bytes) -> None:
        slots = under_way.committing(outgoing.committed + len(data))
        if outgoing.waiting or len(data) > straight.room or (left := straight.send(data)) is None:
            outgoing.commit(outgoing.put(data))
            under_way.committed(slots)
        else:
            outgoing.left(left)
            under_way.free(slots)
        while not outgoing.move(sink):
            pass

    return write


def test_a_worker_that_is_killed_again_and_again_answers_each_request_once_and_serves_none_twice(
    memory: Memory, channel: Channel
) -> None:
    source, sent = os.pipe()
    received, sink = os.pipe()
    os.set_blocking(sink, False)
    served = mmap.mmap(-1, LINES)
    answers: list[bytes] = []
    over = threading.Event()
    asked = [0]

    def ask() -> None:
        rng = random.Random(3)
        while not over.is_set() and asked[0] < LINES - 20:
            count = rng.choice((1, 1, 1, 5, 20))
            numbers = range(asked[0], asked[0] + count)
            asked[0] += count
            os.write(sent, b"".join(b"%d:%s\n" % (n, b"x" * rng.choice((0, 80, 80, 3_000))) for n in numbers))

    def hear() -> None:
        with os.fdopen(received, "rb") as stream:
            answers.extend(line.partition(b":")[0] for line in stream)

    threads = [threading.Thread(target=task) for task in (ask, hear)]
    for thread in threads:
        thread.start()
    rng = random.Random(11)
    kills = int(os.environ.get("HOLDFAST_KILLS", "40"))
    for number in range(kills + 1):
        pid = os.fork()
        if pid == 0:
            try:
                serve(memory, channel, (source, sink), served, random.Random(number))
            except BaseException:  # boundary: this process must not go on as the suite
                traceback.print_exc(file=sys.__stderr__)
            finally:
                os._exit(1)
        if number == kills:
            over.set()
            threads[0].join()
            deadline = time.monotonic() + 10
            while len(answers) < asked[0] - WAITING and time.monotonic() < deadline:
                time.sleep(0.01)  # real time: the last one answers what has come
        else:
            time.sleep(rng.uniform(0.002, 0.02))  # real time: where the kill falls is the point
        os.kill(pid, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), "a worker ended by itself"
    last = Outgoing(memory, channel)
    last.recover()
    unanswered = [named(line) for line, _ in left(memory)]
    os.set_blocking(sink, True)
    assert last.move(sink)
    os.close(sink)
    threads[1].join()
    for end in (source, sent):
        os.close(end)
    told = Counter([*map(int, answers), *unanswered])
    assert [number for number in range(asked[0]) if told[number] != 1] == []
    assert max(served[:]) == 1
