"""Which tool's calls the growth of memory follows: found from counts that exist anyway, so calls pay nothing for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from holdfast.observe.metrics import Metrics

SAMPLES = 60
TOOLS = 8
"""Those with the most calls; the growth of a tool that is hardly called hardly matters."""
SWEEPS = 12
"""With these three a search takes 2 ms at most (measured); it runs on the loop, while memory is short."""
SURE = 0.5
"""Share of all growth that one tool must explain before it is named."""
LEAST = 8
"""Samples with calls before anything is said."""


class Blame:
    """Explains the growth of memory between looks by so many bytes for each call of each tool, none of them negative
    (least squares by coordinate descent; Lawson and Hanson, "Solving Least Squares Problems", chapter 23).

    Tools that are always called in the same proportion cannot be told apart; then the one explains it that fits best.
    """

    def __init__(self, metrics: Metrics, resident: Callable[[], int]) -> None:
        self._metrics = metrics
        self._resident = resident
        self._rows: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=SAMPLES)
        self._last: tuple[int, Mapping[str, int]] | None = None

    def sample(self) -> None:
        """Note what has grown and what was called since the last time."""
        now = self._resident(), {name: tool.spread.count for name, tool in list(self._metrics.tools.items())}
        before, self._last = self._last, now
        if before is not None:
            called = {name: count - before[1].get(name, 0) for name, count in now[1].items()}
            self._rows.append((now[0] - before[0], {name: count for name, count in called.items() if count}))

    def suspect(self) -> str | None:
        """The tool whose calls explain at least half of the growth, or ``None``."""
        rows = [row for row in self._rows if row[1]]
        grown = sum(growth for growth, _ in self._rows)
        if len(rows) < LEAST or grown <= 0:
            return None
        totals: dict[str, int] = {}
        for _, calls in rows:
            for name, count in calls.items():
                totals[name] = totals.get(name, 0) + count
        tools = sorted(totals, key=lambda name: -totals[name])[:TOOLS]
        each = _bytes_each(list(self._rows), tools)
        worst = max(tools, key=lambda name: each[name] * totals[name])
        return worst if each[worst] * totals[worst] >= SURE * grown else None


def _bytes_each(rows: list[tuple[float, Mapping[str, int]]], tools: list[str]) -> dict[str, float]:
    each = dict.fromkeys(tools, 0.0)
    left = [growth for growth, _ in rows]  # what is not explained yet
    for _ in range(SWEEPS):
        for name in tools:
            counts = [calls.get(name, 0) for _, calls in rows]
            weight = sum(count * count for count in counts)
            wanted = each[name] + sum(count * rest for count, rest in zip(counts, left, strict=True)) / weight
            step = max(0.0, wanted) - each[name]
            each[name] += step
            left = [rest - step * count for rest, count in zip(left, counts, strict=True)]
    return each
