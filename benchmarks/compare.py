"""Is this run slower than the recorded one? Ratios only: they belong to the code, absolute figures to the machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import HOLDFAST, HTTP, READONLY, STDIO, Metric, Place, Series, ratio
from subjects import YARDSTICK

TOLERANCE = 0.15
"""How much worse a ratio may be before it counts: the spread of honest runs on a shared machine is about 10 %."""
ATTEMPTS = 3
"""A scenario is slower only when this many measurements in a row say so."""


class NoRecord(Exception):
    """There is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One ratio that must not get worse, and the group of scenarios that measures it."""

    title: str
    group: str
    over: Place
    under: Place


@dataclass(frozen=True, slots=True)
class Slower:
    """A ratio that is worse than the recorded one."""

    watched: Watched
    recorded: float
    now: float

    def __str__(self) -> str:
        more = (self.now / self.recorded - 1) * 100
        return f"{self.watched.title}: {self.now:.3f} where {self.recorded:.3f} is recorded ({more:+.0f} %)"


def _against_bare(group: str, metric: Metric, subject: str) -> Watched:
    title = f"{subject}, {'HTTP ' if group in ('http', 'legacy') else ''}{metric.title}"
    return Watched(title, group, (metric.key, subject), (metric.key, YARDSTICK))


WATCHED = (
    *(_against_bare("stdio", metric, subject) for metric in STDIO for subject in (HOLDFAST, READONLY)),
    *(_against_bare("http", metric, subject) for metric in HTTP[:2] for subject in (HOLDFAST, READONLY)),
    *(_against_bare("legacy", metric, subject) for metric in HTTP[2:] for subject in (HOLDFAST, READONLY)),
    _against_bare("start", Metric("start", "start to first result"), HOLDFAST),
    _against_bare("start", Metric("idle", "memory after the first call"), HOLDFAST),
    Watched("the chain, in turns of plain Python", "inside", ("chain", HOLDFAST), ("calibration", HOLDFAST)),
    Watched("a call among 1,000 tools", "growth", ("tools_1000", HOLDFAST), ("tools_1", HOLDFAST)),
    Watched("a call among 1M principals", "growth", ("principals_1000000", HOLDFAST), ("principals_1", HOLDFAST)),
)


def slower(recorded: Series, now: Series, watched: Iterable[Watched] = WATCHED) -> list[Slower]:
    """The ratios that got worse by more than ``TOLERANCE``; what one of the two did not measure is passed over."""
    found = []
    for each in watched:
        before, after = ratio(recorded, each.over, each.under), ratio(now, each.over, each.under)
        if before and after and after > before * (1 + TOLERANCE):
            found.append(Slower(each, before, after))
    return found


def confirmed(
    recorded: Series, measure: Callable[[frozenset[str]], Series], groups: frozenset[str], told: Callable[[str], None]
) -> list[Slower]:
    """Measure, and measure again whatever seems slower; what is slower ``ATTEMPTS`` times in a row is."""
    watched: Sequence[Watched] = [each for each in WATCHED if each.group in groups]
    late: list[Slower] = []
    for attempt in range(ATTEMPTS):
        late = slower(recorded, measure(frozenset(each.group for each in watched)), watched)
        for each in late:
            told(f"measurement {attempt + 1} of {ATTEMPTS}: {each}")
        watched = [each.watched for each in late]
        if not watched:
            break
    return late


def latest(folder: Path) -> Path:
    """The newest record. Raises ``NoRecord``."""
    found = sorted(folder.glob("*.json"))
    if not found:
        raise NoRecord("no run is recorded; `make bench` records one")
    return found[-1]


def recorded(path: Path) -> Series:
    """The laps of a recorded run. Raises ``NoRecord`` when it has none of them."""
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise NoRecord(f"{path.name} cannot be read") from None
    laps = told.get("laps") if isinstance(told, dict) else None
    if not isinstance(laps, dict) or not laps:
        raise NoRecord(f"{path.name} holds no laps to compare with; `make bench` records them")
    return laps
