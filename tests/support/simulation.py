"""A world in virtual time: a loop that jumps to its next timer, a dependency with a queue, and callers who never wait.

Everything but time is real: the server, its chain, its timers. The same seed gives the same run, to the last call.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Literal, TypeVar

from support.calls import ask

from holdfast.core.pipeline import META
from holdfast.live import Live

T = TypeVar("T")
Outage = Literal["refuses", "hangs"]


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type, unused-ignore]
    """Does not wait for the next timer but moves time there; waits in earnest when only a thread can go on."""

    now = 1_000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of its timers."""

    def __init__(self) -> None:
        self.jumping = _Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self.jumping.now


class VirtualClock:
    """The clock of the running ``VirtualLoop``, used as the machine's is: timers, no tasks."""

    sleep = staticmethod(asyncio.sleep)

    def now(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """Some day."""
        return 1_700_000_000.0 + self.now()


def simulated(world: Coroutine[Any, Any, T]) -> T:
    """Run to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(world)


class Dependency:
    """``workers`` that take ``seconds`` each, more or less, and a line that knows nobody's patience.

    Work that its caller has given up is done all the same, as by every server behind a network: that is what keeps an
    overload alive after its cause has gone.
    """

    def __init__(self, workers: int, seconds: float, patience: float, chance: Random) -> None:
        self.capacity = workers / seconds
        self.came: tuple[Counter[int], Counter[int]] = Counter(), Counter()
        """Attempts, and those that were a call's first, by the second of the loop's time."""
        self.outage: Outage | None = None
        self._known: set[int] = set()
        self._seconds = seconds
        self._patience = patience
        self._chance = chance
        self._free = workers
        self._line: deque[asyncio.Future[None]] = deque()

    async def ask(self, number: int) -> None:
        """One attempt, as a client library makes it. Raises ``ConnectionError`` and ``TimeoutError``."""
        second = int(asyncio.get_running_loop().time())
        self.came[0][second] += 1
        self.came[1][second] += number not in self._known
        self._known.add(number)
        if self.outage == "refuses":
            await asyncio.sleep(0.005)
            raise ConnectionRefusedError("down")
        done = asyncio.get_running_loop().create_future()
        self._line.append(done)
        self._serve()
        async with asyncio.timeout(self._patience):
            await done

    def turn(self, outage: Outage | None) -> None:
        """Go down, or come back."""
        self.outage = outage
        if outage == "refuses":
            self._line.clear()
        self._serve()

    def _serve(self) -> None:
        while self._free and self._line and self.outage is None:
            self._free -= 1
            taken = self._seconds * self._chance.uniform(0.5, 1.5)
            asyncio.get_running_loop().call_later(taken, self._served, self._line.popleft())

    def _served(self, done: asyncio.Future[None]) -> None:
        self._free += 1
        if not done.done():
            done.set_result(None)
        self._serve()


@dataclass
class Record:
    """What became of the calls, by the second in which they ended; second 0 is when the load began."""

    good: Counter[int] = field(default_factory=Counter)
    offered: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    late: float = 0.0
    """Seconds of the call that took longest."""

    def rate(self, begin: int, end: int) -> float:
        """Good answers a second, from ``begin`` until ``end``."""
        return sum(self.good[second] for second in range(begin, end)) / (end - begin)

    def asked(self, begin: int, end: int) -> float:
        """Calls a second."""
        return sum(self.offered[second] for second in range(begin, end)) / (end - begin)


async def load(live: Live, tool: str, rate: Callable[[float], float], seconds: float, chance: Random) -> Record:
    """Call ``tool`` at ``rate(second)`` calls a second, at random moments, whatever becomes of the calls before.

    Its argument ``number`` is another for each.
    """
    record, loop, calls = Record(), asyncio.get_running_loop(), set[asyncio.Task[None]]()
    begun = loop.time()

    async def one(since: float, number: int) -> None:
        answer = await ask(live, tool, {"number": number})
        record.late = max(record.late, loop.time() - begun - since)
        record.codes[str(answer.meta.get(f"{META}code", "")) or "good"] += 1
        if not answer.is_error:
            record.good[int(loop.time() - begun)] += 1

    at, numbers = 0.0, count()
    while at < seconds:
        at += chance.expovariate(rate(at))
        await asyncio.sleep(begun + at - loop.time())
        record.offered[int(at)] += 1
        call = loop.create_task(one(at, next(numbers)))
        calls.add(call)
        call.add_done_callback(calls.discard)
    await asyncio.gather(*calls)
    return record
