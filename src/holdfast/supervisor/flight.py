"""Which tools are under way, counted in memory that the parent sees: at a worker's death it knows whom to suspect.

Over pipes the requests themselves are kept, and tell it. Over HTTP nothing is: a call costs two stores here instead.
"""

from __future__ import annotations

import mmap
from typing import Final

TOOLS: Final = 1_024
"""Tools that are counted each by itself, those that are called first; a server has fewer."""
NAME: Final = 256
"""Bytes of a tool's name, its length among them (MCP 2025-11-25 advises 128 characters)."""
_KNOWN: Final = 0
"""Place of the number of names; counts begin after it."""


class Flight:
    """One mapping of it, shared by processes that are forked afterwards. Made anew by ``clear`` for each worker."""

    unnamed: Final = TOOLS + 1
    """Where calls are counted that suspect nobody."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, (TOOLS + 2) * 8 + TOOLS * NAME)
        whole = memoryview(self._map)
        self.counts = whole[: (TOOLS + 2) * 8].cast("Q")
        """Calls under way, each tool's in its place."""
        self._names = whole[(TOOLS + 2) * 8 :]
        self._places: dict[str, int] = {}  # bounded by ``TOOLS``

    def clear(self) -> None:
        """Nothing is under way: a worker begins."""
        for place in range(self.counts[_KNOWN] + 1):
            self.counts[place] = 0
        self._places = {}

    def place(self, tool: str) -> int:
        """Where calls of a tool are counted; ``unnamed`` when there is no room for it."""
        found = self._places.get(tool)
        if found is not None:
            return found
        raw = tool.encode("utf-8", "surrogatepass")
        known = self.counts[_KNOWN]
        if known >= TOOLS or len(raw) >= NAME:
            return self.unnamed
        self._names[known * NAME] = len(raw)
        self._names[known * NAME + 1 : known * NAME + 1 + len(raw)] = raw
        self.counts[_KNOWN] = place = self._places[tool] = known + 1
        return place

    def under_way(self) -> list[str]:
        """The tools that are called right now; the parent asks when a worker is gone."""
        return [self._name(place - 1) for place in range(1, self.counts[_KNOWN] + 1) if self.counts[place]]

    def _name(self, place: int) -> str:
        at = place * NAME
        return bytes(self._names[at + 1 : at + 1 + self._names[at]]).decode("utf-8", "surrogatepass")
