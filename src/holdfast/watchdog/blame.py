"""Which tool's calls the growth of memory follows: found from counts that exist anyway, so calls pay nothing for it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from holdfast.observe.metrics import Metrics

SAMPLES = 60
TOOLS = 8
"""Those with the most calls; the growth of a tool that is hardly called hardly matters."""
STEPS = 64
"""With these three a search takes 1 ms (measured), and two are made; they run on the loop, while memory is short."""
SURE = 0.5
"""Share of all growth that one tool must explain before it is named."""
LEAST = 8
"""Samples with calls before anything is said."""
LATEST = 2 * LEAST
"""Samples that are looked at first, and all of them only when these name nobody: a server that has just warmed up grew
with the calls of others, and they would explain all growth for as long as that is remembered."""


class Blame:
    """Explains the growth of memory between looks by so many bytes for each call of each tool, none of them negative
    (least squares by steps along one tool at a time; Lawson and Hanson, "Solving Least Squares Problems", chapter 23).

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
        rows = list(self._rows)
        return _suspect(rows[-LATEST:]) or _suspect(rows)


def _suspect(rows: list[tuple[float, Mapping[str, int]]]) -> str | None:
    grown = sum(growth for growth, _ in rows)
    if sum(1 for _, calls in rows if calls) < LEAST or grown <= 0:
        return None
    totals: Counter[str] = Counter()
    for _, calls in rows:
        totals.update(calls)
    tools = [name for name, _ in totals.most_common(TOOLS)]
    each = _bytes_each(rows, tools)
    worst = max(tools, key=lambda name: each[name] * totals[name])
    return worst if each[worst] * totals[worst] >= SURE * grown else None


def _bytes_each(rows: list[tuple[float, Mapping[str, int]]], tools: list[str]) -> dict[str, float]:
    """In each step the tool goes first that explains the most of what is left: where all are called at a steady pace,
    any of them would do for a first guess, and steps in turn come back from it too slowly."""
    columns = {name: [calls.get(name, 0) for _, calls in rows] for name in tools}
    shared = {(one, two): _product(columns[one], columns[two]) for one in tools for two in tools}
    left = {name: _product(columns[name], [growth for growth, _ in rows]) for name in tools}
    each = dict.fromkeys(tools, 0.0)
    for _ in range(STEPS):
        steps = {name: max(-each[name], left[name] / shared[name, name]) for name in tools}
        gains = {name: step * (2 * left[name] - step * shared[name, name]) for name, step in steps.items()}
        best = max(tools, key=gains.__getitem__)
        if gains[best] <= 0:
            break
        each[best] += steps[best]
        for name in tools:
            left[name] -= steps[best] * shared[best, name]
    return each


def _product(one: Sequence[float], two: Sequence[float]) -> float:
    return sum(first * second for first, second in zip(one, two, strict=True))
