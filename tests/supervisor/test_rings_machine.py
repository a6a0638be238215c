"""A worker may be killed between any two stores, and in the middle of a long one: the client never notices.

The real memory, rings, table, lines and takeover; only the worker's tools are the test's, and its death is an exception
at a store that Hypothesis chooses. ``make soak`` tries many more.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.core.config import LimitSettings
from holdfast.supervisor import incoming, outgoing
from holdfast.supervisor.control import Control
from holdfast.supervisor.memory import Memory
from holdfast.supervisor.outgoing import Channel
from holdfast.supervisor.worker import Task, Worker
from holdfast.wire.kept import keep
from holdfast.wire.messages import message_bounds
from holdfast.wire.stdio import BUSY
from holdfast.wire.supervised import KeptLines
from holdfast.wire.takeover import MOST_BESIDE, UNKNOWN, Takeover

STRIDE = 4_096
"""Bytes of a request: rings of four pages, so that they go round many times in one example."""
SLOTS = 6
NEVER = 10**9


class Killed(BaseException):
    """The worker is dead from here on."""


class Life:
    """Stores that are left to a worker until it is killed."""

    def __init__(self) -> None:
        self.left = NEVER

    @property
    def over(self) -> bool:
        """Whether it has been killed."""
        return self.left < 0

    def look(self) -> None:
        """The dead see nothing."""
        if self.over:
            raise Killed

    def spend(self) -> None:
        """One store more, or the end."""
        self.left -= 1
        self.look()


class Mortal:
    """An area of the memory as one worker sees it."""

    def __init__(self, area: memoryview, life: Life) -> None:
        self._area = area
        self._life = life

    def __getitem__(self, place: Any) -> Any:
        self._life.look()
        return self._area[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        try:
            self._life.spend()
        except Killed:
            if isinstance(place, slice):  # killed in the middle of it
                half = len(value) // 2
                self._area[place.start : place.start + half] = value[:half]
            raise
        self._area[place] = value


class MortalMemory:
    """The memory as one worker sees it; everything else of it is the real one's."""

    def __init__(self, memory: Memory, life: Life) -> None:
        self._memory = memory
        self._life = life
        self.words = Mortal(memory.words, life)
        self.table = Mortal(memory.table, life)
        self.bytes = Mortal(memory.bytes, life)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)

    def release(self, start: int, end: int) -> None:
        self._life.spend()
        self._memory.release(start, end)

    def note(self) -> bytes:
        return Memory.note(self)  # type: ignore[arg-type]  # with this worker's own view of the words

    def keep(self, note: bytes) -> bool:
        return Memory.keep(self, note)  # type: ignore[arg-type]


class Tools:
    """What a call does: it begins, and ends when the test says so."""

    def __init__(self) -> None:
        self.ran: Counter[int] = Counter()
        self.quarantined: dict[str, float] = {}
        self.claims: list[object] = []
        log = SimpleNamespace(error=lambda *_, **__: None, warning=lambda *_, **__: None)
        self.plant = SimpleNamespace(log=log, hooks=SimpleNamespace(aside=None), heartbeat=None)
        self.snapshot = SimpleNamespace(named={"tool": {}})

    def repeatable(self, tool: str, key: object = None) -> bool:
        return tool == "read"

    def endangers(self, tool: str) -> bool:
        return True


class Alive:
    """One worker: reads, keeps, begins, answers."""

    def __init__(self, machine: RingsMachine, number: int) -> None:
        self.life = Life()
        self.loop = machine.loop
        self.tools = machine.tools
        self.begun: list[tuple[int, str]] = []
        memory: Any = MortalMemory(machine.memory, self.life)
        self.worker = Worker(memory, machine.control, machine.channel, (machine.input[0], machine.output[1]))
        self.worker.task = Task(number)
        self.lines: KeptLines | None = None

    async def serve(self, limits: LimitSettings) -> None:
        """Take over, then begin whatever comes."""
        self.intake, self.outlet, requests = keep(self.worker, STRIDE)
        lines = KeptLines(self.intake, self.outlet, None, message_bounds(limits))
        lines.most = SLOTS
        takeover = Takeover(self.worker, self.intake, self.outlet, requests)
        self.lines = lines
        takeover.go_on(lines, self.tools)
        while (message := await lines.message()) is not None:
            number, tool = message.body["id"], message.body["params"]["name"]
            self.tools.ran[number] += 1
            self.begun.append((number, tool))

    def answer(self, place: int, size: int) -> None:
        """A call has ended."""
        number, _ = self.begun.pop(place % len(self.begun))
        assert self.lines is not None
        self.lines.settle(number)
        self.outlet.write(json.dumps({"id": number, "result": "y" * size}).encode() + b"\n")

    def bury(self) -> None:
        """Nothing of it acts any more."""
        self.life.left = -1
        for fd in (self.worker.input, self.worker.output):
            self.loop.remove_reader(fd)
            self.loop.remove_writer(fd)


class RingsMachine(RuleBasedStateMachine):
    """A client that sends and reads in pieces of any size, and workers that die at any store."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = incoming.KEPT, outgoing.KEPT
        incoming.KEPT = outgoing.KEPT = STRIDE  # type: ignore[misc]  # so that small rings begin anew too
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self.failed)
        self.memory = Memory.create(slots=SLOTS + 2, message=STRIDE, answer=STRIDE)  # as ``HELD`` leaves some more
        self.channel = Channel()
        self.control, self.other = Control.pair()
        self.input, self.output = os.pipe(), os.pipe()
        for fd in (self.output[0], self.output[1], self.input[1]):
            os.set_blocking(fd, False)
        self.tools = Tools()
        self.wrong: list[object] = []
        self.unsent = b""
        self.received = b""
        self.sent: dict[int, str] = {}
        self.workers = 0
        self.start()

    # -- workers -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.alive = Alive(self, self.workers)
        self.workers += 1
        self.serving = self.loop.create_task(self.alive.serve(LimitSettings()))
        self.step(2)

    def failed(self, _loop: object, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Killed):
            self.wrong.append(context)

    def step(self, turns: int) -> None:
        async def run() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    def dying(self, work: Callable[[], None]) -> None:
        """Do something in which the worker may die; another takes over then."""
        with suppress(Killed):
            work()
        while self.alive.life.over:
            self.succeed()

    def succeed(self) -> None:
        self.alive.bury()
        self.serving.cancel()
        with suppress(asyncio.CancelledError, Killed):
            self.loop.run_until_complete(self.serving)
        self.start()

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(tool=st.sampled_from(["read", "write"]), size=st.sampled_from([0, 40, 900, 3_000]), blank=st.booleans())
    def send(self, tool: str, size: int, blank: bool) -> None:
        number = len(self.sent) + 1
        self.sent[number] = tool
        params = {"name": tool, "arguments": {"text": "x" * size}}
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        self.unsent += b"\n" * blank + json.dumps(message).encode() + b"\n"

    @precondition(lambda self: self.unsent)
    @rule(count=st.sampled_from([1, 7, 100, 5_000, 100_000]), turns=st.integers(0, 4))
    def come(self, count: int, turns: int) -> None:
        with suppress(BlockingIOError):
            written = os.write(self.input[1], self.unsent[:count])
            self.unsent = self.unsent[written:]
        self.dying(lambda: self.step(turns))

    @precondition(lambda self: self.alive.begun)
    @rule(place=st.integers(0, SLOTS), size=st.sampled_from([0, 50, 2_000, 9_000]), turns=st.integers(0, 3))
    def answer(self, place: int, size: int, turns: int) -> None:
        def work() -> None:
            self.alive.answer(place, size)
            self.step(turns)

        self.dying(work)

    @rule(turns=st.integers(1, 8))
    def go_on(self, turns: int) -> None:
        self.dying(lambda: self.step(turns))

    @rule(stores=st.integers(0, 25))
    def arm(self, stores: int) -> None:
        """So many stores more."""
        self.alive.life.left = stores

    @rule()
    def kill(self) -> None:
        self.alive.life.left = -1
        self.dying(lambda: None)

    @rule(count=st.sampled_from([1, 64, 5_000, 100_000]))
    def receive(self, count: int) -> None:
        with suppress(BlockingIOError):
            self.received += os.read(self.output[0], count)

    # -- what must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_fails_but_by_being_killed(self) -> None:
        assert self.wrong == []
        if self.serving.done() and not self.alive.life.over:
            self.serving.result()

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert all(count == 1 for number, count in self.tools.ran.items() if self.sent[number] == "write")

    def settle(self) -> None:
        """Everything is sent, answered and read."""
        self.alive.life.left = NEVER
        for _ in range(2_000):
            self.come(100_000, 3)
            while self.alive.begun:
                self.answer(0, 10, 1)
            self.receive(100_000)
            lines = self.received.count(b"\n")
            if not self.unsent and lines >= len(self.sent):
                break
        self.step(5)
        self.receive(100_000)

    def teardown(self) -> None:
        try:
            self.settle()
            answers = [json.loads(line) for line in self.received.splitlines()]
            assert Counter(answer["id"] for answer in answers) == Counter(self.sent.keys()), answers
            for answer in answers:
                number = answer["id"]
                if "error" not in answer:
                    assert self.tools.ran[number] >= 1, "an answer to what never ran"
                elif answer["error"]["code"] == UNKNOWN:
                    assert self.sent[number] == "write" or self.workers >= MOST_BESIDE, "it could have been tried again"
                else:
                    assert answer["error"]["code"] == BUSY, answer
        finally:
            self.close()

    def close(self) -> None:
        self.alive.bury()
        self.serving.cancel()
        with suppress(BaseException):
            self.loop.run_until_complete(self.serving)
        self.loop.close()
        for end in (*self.input, *self.output, self.memory.fd):
            os.close(end)
        for each in (self.channel, self.control, self.other):
            each.close()
        incoming.KEPT, outgoing.KEPT = self.kept  # type: ignore[misc]


TestRingsMachine = RingsMachine.TestCase
TestRingsMachine.settings = settings(
    deadline=None, max_examples=2_000 if os.environ.get("SOAK") else 60, stateful_step_count=40
)
pytestmark = pytest.mark.skipif(not hasattr(os, "splice"), reason="a supervisor needs splice")
