"""A service over TCP that does what it was asked although nobody waits any more, and can be taken away for a while."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from random import Random

WORKERS, SECONDS = 10, 0.4
CAPACITY = WORKERS / SECONDS
"""Calls a second that it can answer."""


class Dependency:
    """Answers so many calls at a time, in order, whether or not their callers still wait."""

    def __init__(self, chance: Random) -> None:
        self.attempts: Counter[int] = Counter()
        self.calls: Counter[int] = Counter()
        """What came, and for the first time, by the second."""
        self.outage: str | None = None
        self.begun = 0.0
        self._chance = chance
        self._free = WORKERS
        self._line: deque[asyncio.StreamWriter] = deque()
        self._known: set[bytes] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection is one attempt."""
        number = await reader.readline()
        second = int(asyncio.get_running_loop().time() - self.begun)
        self.attempts[second] += 1
        self.calls[second] += number not in self._known
        self._known.add(number)
        if self.outage == "refuses":
            writer.close()
            return
        self._line.append(writer)
        self._next()

    def turn(self, outage: str | None) -> None:
        """Go down, or come back."""
        self.outage = outage
        self._next()

    def _next(self) -> None:
        while self._free and self._line and self.outage is None:
            self._free -= 1
            taken = SECONDS * self._chance.uniform(0.5, 1.5)
            asyncio.get_running_loop().call_later(taken, self._served, self._line.popleft())

    def _served(self, writer: asyncio.StreamWriter) -> None:
        self._free += 1
        writer.write(b"ok\n")
        writer.close()
        self._next()
