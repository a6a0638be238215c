"""The requests that were read and not answered yet, as they came: the next worker answers them, or says why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from holdfast.supervisor.memory import ORDER, OUT_COMMITTED, SLOT_WORDS, SLOTS, STRIDE, Memory

_STATE, _LENGTH, _ANSWERED, _ORDER, _SENT = range(5)
_FREE, _TAKEN = 0, 1
_LARGE: Final = 65_536
"""Bytes of a request whose pages go back to the system once it is answered."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request that a worker which is gone has left behind."""

    slot: int
    line: bytes
    sent: int
    """How many workers had it."""


class Requests:
    """A table of slots. What is answered together with some bytes is free when these are committed, not before."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._table = memory.table
        self._words = memory.words
        self._stride = int(memory.words[STRIDE])
        self._free = [slot for slot in range(memory.words[SLOTS]) if not self._table[slot * SLOT_WORDS + _STATE]]
        self._free.reverse()

    @property
    def free(self) -> int:
        """Slots left."""
        return len(self._free)

    def begin(self, line: bytes) -> int | None:
        """Keep a request; its slot, or ``None`` when there is none left or the line is too long for one."""
        if not self._free or len(line) > self._stride:
            return None
        slot = self._free.pop()
        at = self._memory.requests + slot * self._stride
        self._memory.bytes[at : at + len(line)] = line
        table, row = self._table, slot * SLOT_WORDS
        table[row + _LENGTH] = len(line)
        table[row + _ANSWERED] = 0
        table[row + _SENT] = 1
        order = self._words[ORDER] + 1
        self._words[ORDER] = order
        table[row + _ORDER] = order
        table[row + _STATE] = _TAKEN
        return slot

    def again(self, slot: int) -> None:
        """A worker takes over what another has left."""
        self._table[slot * SLOT_WORDS + _SENT] += 1

    def answered(self, slots: Iterable[int], place: int) -> None:
        """These are answered as soon as the output is committed up to ``place``."""
        for slot in slots:
            self._table[slot * SLOT_WORDS + _ANSWERED] = place

    def end(self, slots: Iterable[int]) -> None:
        """These need no answer any more."""
        for slot in slots:
            row = slot * SLOT_WORDS
            length = self._table[row + _LENGTH]
            self._table[row + _STATE] = _FREE
            self._free.append(slot)
            if length > _LARGE:
                at = self._memory.requests + slot * self._stride
                self._memory.release(at, at + self._stride)

    def recover(self) -> list[Unanswered]:
        """What is left to be answered, in the order in which it came; what was answered in full is free again.

        To be called when the output has been recovered, as that says how far it was committed.
        """
        left: list[tuple[int, Unanswered]] = []
        for slot in range(self._words[SLOTS]):
            row = slot * SLOT_WORDS
            if self._table[row + _STATE] == _FREE:
                continue
            if 0 < self._table[row + _ANSWERED] <= self._words[OUT_COMMITTED]:
                self.end([slot])
                continue
            self._table[row + _ANSWERED] = 0
            left.append((self._table[row + _ORDER], self._left(slot, row)))
        return [request for _, request in sorted(left, key=lambda item: item[0])]

    def _left(self, slot: int, row: int) -> Unanswered:
        at = self._memory.requests + slot * self._stride
        line = bytes(self._memory.bytes[at : at + self._table[row + _LENGTH]])
        return Unanswered(slot, line, self._table[row + _SENT])
