"""How long attempts of one operation take, so that none is begun for which too little time is left."""

from __future__ import annotations

WEIGHT = 0.125
"""How much of the mean the newest attempt is (as TCP smooths its round trips, RFC 6298, section 2)."""
SPREAD = 0.25
"""How much of the mean deviation it is, likewise."""
MARGIN = 3.0
"""Deviations above the mean that an attempt may take. At three times the load, with a time limit shorter than the line,
2 left 96 % of capacity and 3 left 99 % (simulated); TCP's 4 would refuse more where nobody waits."""


class Pace:
    """Mean and mean deviation of the seconds that attempts took; belongs to one event loop."""

    __slots__ = ("_deviation", "_mean")

    def __init__(self) -> None:
        self._mean = self._deviation = 0.0

    @property
    def needed(self) -> float:
        """Seconds within which an attempt is most likely over; 0 until one was."""
        return self._mean + MARGIN * self._deviation

    def took(self, seconds: float) -> None:
        """An attempt did its work."""
        if not self._mean:
            self._mean, self._deviation = seconds, seconds / 2
            return
        off = seconds - self._mean
        self._deviation += SPREAD * (abs(off) - self._deviation)
        self._mean += WEIGHT * off

    def outlasted(self, seconds: float) -> None:
        """An attempt was not over by then: that says something only when others are."""
        if seconds > self._mean:
            self.took(seconds)
