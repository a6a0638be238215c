"""The share of calls that failed in the last while, from the counts that are kept anyway."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from holdfast.observe.metrics import Metrics
from holdfast.watchdog.watch import Reading

PARTS = 12
"""Parts of the window; the oldest part's calls leave it together."""
_OURS = ("deadline.exceeded", "isolation.")
"""Refusals that mean that the work failed; all others, such as a rate or a wrong argument, are the caller's."""


class Failures:
    """Counts calls by tool over ``window`` seconds; below ``least`` calls nothing is said.

    Failed are calls whose tool raised, and those that ran out of time or crashed where they were isolated. Refusals of
    other kinds count neither way, so that shedding does not look like recovery.
    """

    def __init__(self, metrics: Metrics, now: Callable[[], float], *, window: float, least: int) -> None:
        self._metrics = metrics
        self._now = now
        self._part = window / PARTS
        self._least = least
        self._past: deque[tuple[float, Mapping[str, tuple[int, int]], int]] = deque(maxlen=PARTS + 1)

    def read(self) -> Reading | None:
        """The share of failed calls, with the tool that failed most often; ``None`` while there are too few calls."""
        now, tools, late = self._now(), self._tools(), self._late()
        if not self._past or now - self._past[-1][0] >= self._part:
            self._past.append((now, tools, late))
        _, tools_then, late_then = self._past[0]
        ended = {name: _minus(counts, tools_then.get(name, (0, 0))) for name, counts in tools.items()}
        failed = sum(bad for _, bad in ended.values()) + late - late_then
        calls = sum(good for good, _ in ended.values()) + failed
        if calls < self._least:
            return Reading(0.0, {"calls": calls})
        worst = max(ended, key=lambda name: ended[name][1], default=None)
        named = {"tool": worst} if worst is not None and ended[worst][1] else {}
        return Reading(failed / calls, {"calls": calls, "failed": failed, **named})

    def _tools(self) -> dict[str, tuple[int, int]]:
        """Of each tool the calls that did not fail, and those that did."""
        return {
            name: (sum(tool.outcomes.get(outcome, 0) for outcome in ("ok", "error")), tool.outcomes.get("failed", 0))
            for name, tool in list(self._metrics.tools.items())
        }

    def _late(self) -> int:
        return sum(count for (_, code), count in self._metrics.refusals.items().items() if code.startswith(_OURS))


def _minus(now: tuple[int, int], then: tuple[int, int]) -> tuple[int, int]:
    return now[0] - then[0], now[1] - then[1]
