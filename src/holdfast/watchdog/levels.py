"""Which of rising thresholds a number has crossed: several samples in a row, and with hysteresis on the way back."""

from __future__ import annotations


class Levels:
    """``level`` is 0 below ``bounds[0]``, 1 from there on, and so on; the number is bad when it is high.

    It rises, by as many levels as fit, once ``samples`` in a row agree; it falls one level at a time, once as many in a
    row are below the level's bound by the share ``hysteresis`` of it, so that recovery is gradual.
    """

    def __init__(self, bounds: tuple[float, ...], *, samples: int = 3, hysteresis: float = 0.05) -> None:
        if not bounds or samples < 1 or list(bounds) != sorted(bounds):
            raise ValueError("levels need rising bounds and a sample or more")
        self._bounds = bounds
        self._samples = samples
        self._hysteresis = hysteresis
        self._above = [0] * len(bounds)
        self._below = 0
        self.level = 0

    def bound(self, level: int) -> float:
        """The threshold of a level from 1 on."""
        return self._bounds[level - 1]

    def feed(self, value: float) -> int:
        """Take a sample in; returns the level after it."""
        for index, bound in enumerate(self._bounds):
            self._above[index] = self._above[index] + 1 if value >= bound else 0
        risen = max((index + 1 for index, run in enumerate(self._above) if run >= self._samples), default=0)
        if risen > self.level:
            self.level, self._below = risen, 0
        elif self.level and value < self.bound(self.level) * (1 - self._hysteresis):
            self._below += 1
            if self._below >= self._samples:
                self.level, self._below = self.level - 1, 0
        else:
            self._below = 0
        return self.level
