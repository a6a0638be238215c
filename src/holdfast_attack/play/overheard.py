"""Listens to everything that a server says for secrets that must never come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast_attack.arena.canaries import Canaries

CHUNK = 131_072
OVERLAP = 2_048
"""Bytes that are looked at twice, so that no secret is missed between two looks; the longest spelling is shorter."""
MOST = 128 * 2**20
"""Bytes of one lane that are looked at; a server that floods must not keep the tool busy."""
SHOWN = 600


class Overheard:
    """Everything heard on one lane: results, errors, stderr."""

    def __init__(self, canaries: Canaries) -> None:
        self._canaries = canaries
        self._pending: dict[str, bytearray] = {}
        self._found: dict[str, tuple[str, bytes]] = {}
        self._total = 0

    def hear(self, source: str, data: bytes) -> None:
        """``source`` is stdout, stderr or http."""
        if self._total > MOST:
            return
        self._total += len(data)
        pending = self._pending.setdefault(source, bytearray())
        pending += data
        if len(pending) >= CHUNK:
            self._look(source)

    @property
    def names(self) -> tuple[str, ...]:
        """The secrets that were heard so far."""
        for source in self._pending:
            self._look(source)
        return tuple(sorted(self._found))

    def where(self, name: str) -> bytes:
        """The words around a secret that was heard."""
        return self._found[name][1]

    def source(self, name: str) -> str:
        """Where it was heard first."""
        return self._found[name][0]

    def _look(self, source: str) -> None:
        pending = self._pending[source]
        data = bytes(pending)
        for name in self._canaries.seen_in(data):
            if name not in self._found:
                self._found[name] = (source, self._narrowed(name, data))
        del pending[:-OVERLAP]

    def _narrowed(self, name: str, data: bytes) -> bytes:
        """The smallest part, by halves, in which the secret still stands."""
        while len(data) > SHOWN:
            half, most = len(data) // 2, len(data) // 4
            parts = (data[:half], data[half:], data[most : most + half])
            smaller = next((part for part in parts if name in self._canaries.seen_in(part)), None)
            if smaller is None:
                return data[:SHOWN]
            data = smaller
        return data
