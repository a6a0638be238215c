"""The requests of a connection that outlives this process: where each stands until its answer is sure to go out.

A request stands in the input as it came. Most are answered before anything else is written, and the commit of that
answer is all that they need. Those that are still open when something is written are copied into slots, as the input
moves on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from holdfast.supervisor.incoming import Incoming
from holdfast.supervisor.requests import Requests, Unanswered

Key = int | str
"""The one form of a request's id (``messages.same_id``)."""
NOWHERE: Final = -1
"""The slot of a request that has none."""


class UnderWay:
    """Implements ``Keeper``. Bounded by the requests of one connection under way, and by the input that holds them."""

    def __init__(self, incoming: Incoming, requests: Requests) -> None:
        self._incoming = incoming
        self._requests = requests
        self.open: dict[Key, bytes] = {}
        """Those that stand in the input."""
        self.passed: list[bytes] = []
        """Those that stand there too, and are answered by what is written next."""
        self.freed: list[int] = []
        """Slots whose answers are in what is written next."""
        self._slots: dict[Key, int] = {}

    def begin(self, key: Key, line: bytes) -> None:
        """See ``Keeper``."""
        self.open[key] = line

    def resumed(self, key: Key, slot: int) -> None:
        """See ``Keeper``."""
        self._slots[key] = slot

    def again(self, slot: int) -> None:
        """A request that a worker before has left is served once more."""
        self._requests.again(slot)

    def answered(self, key: Key) -> None:
        """See ``Keeper``."""
        line = self.open.pop(key, None)
        if line is not None:
            self.passed.append(line)
        elif (slot := self._slots.pop(key, None)) is not None:
            self.freed.append(slot)

    def told(self, slot: int) -> None:
        """A request that nobody serves again has its answer in what is written next."""
        if slot != NOWHERE:
            self.freed.append(slot)

    def dropped(self, key: Key) -> None:
        """See ``Keeper``."""
        if self.open.pop(key, None) is None and (slot := self._slots.pop(key, None)) is not None:
            self._requests.end((slot,))

    def committing(self, place: int) -> Sequence[int]:
        """What is written next is committed up to ``place``: the slots that are free then, for ``committed``."""
        if self.open:
            self._copy()
        self.passed.clear()
        self._incoming.due(place)
        if not self.freed:
            return ()
        slots, self.freed = self.freed, []
        self._requests.answered(slots, place)
        return slots

    def committed(self, slots: Sequence[int]) -> None:
        """It is."""
        self._incoming.done()
        if slots:
            self._requests.end(slots)

    def postponed(self) -> Sequence[int]:
        """What is written next is committed at some later time: the slots that it answers."""
        self.clear()
        slots, self.freed = self.freed, []
        return slots

    def late(self, slots: Sequence[int], place: int) -> None:
        """What was postponed is committed up to ``place`` next."""
        self._requests.answered(slots, place)

    def free(self, slots: Sequence[int]) -> None:
        """It is."""
        self._requests.end(slots)

    def clear(self) -> None:
        """Copy whatever stands in the input into slots, so that there is room."""
        self._copy()
        for line in self.passed:
            if (slot := self._requests.begin(line)) is not None:
                self.freed.append(slot)
        self.passed.clear()
        self._incoming.due(0)
        self._incoming.done()

    def _copy(self) -> None:
        for key, line in self.open.items():
            if (slot := self._requests.begin(line)) is not None:
                self._slots[key] = slot
        self.open.clear()

    def recover(self, begun: Iterable[bytes], named: Callable[[bytes], Key | None]) -> list[Unanswered]:
        """What a worker that is gone has left unanswered, in the order in which it came.

        ``begun`` are the lines that stand in the input and were begun with; ``named`` tells the id of one, or ``None``
        for what is no request. A line that was being copied into a slot is found in both places; the slot counts. One
        for which no slot is left is ``NOWHERE``: it can be answered, and not kept while it runs.
        """
        left = self._requests.recover()
        seen = {named(request.line) for request in left}
        for line in begun:
            if (key := named(line)) is None or key in seen:
                continue
            seen.add(key)
            slot = self._requests.begin(line)
            left.append(Unanswered(NOWHERE if slot is None else slot, line, 1))
        self._incoming.due(0)
        self._incoming.done()
        return left
