"""What the workers of one server hand on to each other, by the way they are reached: pipes or a port."""

from __future__ import annotations

import secrets
from typing import Final, Protocol, TypeVar

from holdfast.supervisor.book import Book
from holdfast.supervisor.control import Control
from holdfast.supervisor.flight import Flight
from holdfast.supervisor.memory import PAGE, Memory
from holdfast.supervisor.outgoing import Channel
from holdfast.supervisor.worker import Attended, HttpWorker, Worker

SEAL: Final = 32
"""Random bytes of the key that workers over HTTP share, as many as the SDK takes for one of its own."""
W = TypeVar("W", bound=Attended, covariant=True)


class Heirlooms(Protocol[W]):
    """Made by the parent before it forks, and kept by it to the end."""

    @property
    def memory(self) -> Memory:
        """The words that every worker shares with the parent."""
        ...

    def worker(self, control: Control) -> W:
        """What a worker that was just forked holds."""
        ...

    def suspects(self) -> list[str]:
        """The tools that were under way when a worker was lost; none where the next worker finds that out itself."""
        ...


class OfPipes:
    """The client's ends, its bytes and its requests: the next worker reads there what was not answered."""

    def __init__(self, memory: Memory, ends: tuple[int, int]) -> None:
        self.memory = memory
        self._ends = ends
        self._channel = Channel()

    def worker(self, control: Control) -> Worker:
        """See ``Heirlooms``."""
        return Worker(self.memory, control, self._channel, self._ends)

    def suspects(self) -> list[str]:
        """See ``Heirlooms``."""
        return []


class OfPort:
    """Sessions, and which tools are under way; the socket itself comes from the first worker, who knows the settings.

    Requests are not kept: their connections end with the worker, and only their clients know where they are then.
    """

    def __init__(self) -> None:
        self.memory = Memory.create(slots=1, message=PAGE, answer=PAGE)
        self._book = Book.create()
        self._flight = Flight()
        self._seal = secrets.token_hex(SEAL)

    def worker(self, control: Control) -> HttpWorker:
        """See ``Heirlooms``."""
        return HttpWorker(self.memory, control, self._book, self._flight, self._seal)

    def suspects(self) -> list[str]:
        """See ``Heirlooms``."""
        return self._flight.under_way()
