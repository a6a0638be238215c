"""Cuts a server's output into lines in bounded memory, however long a line is."""

from __future__ import annotations

from collections.abc import Iterator

LONGEST = 32 * 2**20
"""Bytes of one line that are held; the rest of a longer one is dropped and it counts as junk."""


class Lines:
    """Feed bytes, take whole lines without their ends; a line that was cut comes with ``LONGEST`` bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that end within ``data``."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._hold(part)
            line = b"".join(self._parts)
            self._parts, self._held = [], 0
            yield line
        self._hold(rest)

    @property
    def rest(self) -> bytes:
        """What has come of a line that has not ended."""
        return b"".join(self._parts)

    def _hold(self, part: bytes) -> None:
        part = part[: LONGEST - self._held]
        if part:
            self._parts.append(part)
            self._held += len(part)
