"""How much is measured: the full run, the quick one, and the short one that is compared with the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

GROUPS = ("start", "stdio", "http", "legacy", "payloads", "inside", "growth")
"""What can be measured by itself."""


class Taken(Protocol):
    """A finished load."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """``seconds`` and ``calls`` bound one load; ``budget`` is the seconds in which a further round may begin.

    In each round every server is started afresh; in each lap of a round every one that runs is loaded once.
    """

    rounds: int
    laps: int
    starts: int
    seconds: float
    calls: int
    budget: float
    deep: int = 1
    """Rounds in which the chain and growth are measured too: they have many laps of their own."""
    tools: tuple[int, ...] = (1, 10, 100, 1_000)
    principals: tuple[int, ...] = (1, 1_000, 100_000, 1_000_000)
    waiting: tuple[int, ...] = (1, 10, 100, 1_000, 10_000)

    def affordable(self, before: Taken, least: int) -> int:
        """Calls that one load may make, after what an earlier one took."""
        each = before.seconds / before.calls
        return max(min(self.calls, int(self.seconds / each)), least)


FULL = Plan(rounds=5, laps=3, starts=2, seconds=0.25, calls=20_000, budget=690.0, deep=2)
QUICK = Plan(
    rounds=1,
    laps=2,
    starts=1,
    seconds=0.1,
    calls=5_000,
    budget=60.0,
    tools=(1, 1_000),
    principals=(1, 100_000),
    waiting=(1, 1_000),
)
CHECK = Plan(
    rounds=2,
    laps=3,
    starts=2,
    seconds=0.3,
    calls=20_000,
    budget=100.0,
    tools=(1, 1_000),
    principals=(1, 1_000_000),
    waiting=(),
)
