"""When a parent does what waits: a next worker, a spare, an end for one that takes too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STARTING: Final = 60.0
"""Seconds that a worker which takes over gets to be ready."""
SPARE_AFTER: Final = 0.2
"""Seconds after a worker is ready before its spare is loaded, so that they do not hurry at once."""
SPARE_PAUSE: Final = 5.0
SPARE_PAUSES: Final = 300.0
"""Seconds before a spare that failed to load is tried again, doubled each time, and the most of them."""


@dataclass(slots=True)
class Timers:
    """Times of the monotonic clock; ``None``: it does not wait."""

    start: float | None = None
    """When the next worker begins that has to wait."""
    spare: float | None = None
    """When a spare is loaded."""
    kill: float | None = None
    """When the one that takes over has taken too long."""
    _pause: float = SPARE_PAUSE

    def turn(self, now: float) -> None:
        """A worker takes over from another."""
        self.kill = now + STARTING

    def serving(self, now: float) -> None:
        """It is ready."""
        self.kill, self.spare = None, now + SPARE_AFTER

    def spare_lost(self, now: float, *, loaded: bool) -> None:
        """Try again at once when it had ``loaded`` everything, and later, each time later, when it cannot load."""
        if loaded:
            self._pause, pause = SPARE_PAUSE, 0.0
        else:
            self._pause, pause = min(SPARE_PAUSES, 2 * self._pause), self._pause
        self.spare = now + pause

    def spare_due(self, now: float) -> bool:
        """Whether it is time for one; then it is not any more."""
        due = self.spare is not None and now >= self.spare
        if due:
            self.spare = None
        return due

    def left(self, now: float) -> float | None:
        """Seconds until the first of them."""
        times = [at - now for at in (self.start, self.spare, self.kill) if at is not None]
        return max(0.0, min(times)) if times else None
