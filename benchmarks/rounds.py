"""Interleaved rounds: in each, every server is started, loaded and ended once, so that all share its moods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from answers import Failed
from figures import Round, percentile
from http_client import HttpServer
from stdio_client import Load, StdioServer
from subjects import Subject

IN_FLIGHT = 64
CONNECTIONS = 32
LONGEST = 2.0
"""Seconds that one load should take at most: on a slow machine there are fewer calls, not a longer run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds, calls of each load at most, and seconds in which a further round may begin."""

    rounds: int
    calls: int
    budget: float

    @property
    def warm_up(self) -> int:
        """Calls before each load, which are not counted."""
        return max(self.calls // 10, 1)


def measure(subjects: Sequence[Subject], plan: Plan, told: Callable[[str], None]) -> Iterator[Round]:
    """Yield each finished round. Raises ``Failed``, which names the server, for a wrong answer or none."""
    begun = monotonic()
    longest = 0.0
    for number in range(plan.rounds):
        started = monotonic()
        if number and started - begun + longest > plan.budget:
            told(f"no time for round {number + 1} of {plan.rounds}")
            return
        samples: dict[str, dict[str, float]] = {}
        for subject in subjects:
            told(f"round {number + 1} of {plan.rounds}: {subject.label}")
            samples[subject.name] = _named(subject, plan)
        longest = max(longest, monotonic() - started)
        yield samples


def _named(subject: Subject, plan: Plan) -> dict[str, float]:
    try:
        with TemporaryDirectory(prefix="holdfast-bench-") as folder:
            return _stdio(subject, Path(folder), plan) | _http(subject, Path(folder), plan)
    except Failed as failure:
        raise Failed(f"{subject.name}: {failure}") from None


def _stdio(subject: Subject, folder: Path, plan: Plan) -> dict[str, float]:
    with StdioServer(subject, folder) as server:
        sample = {"initialize": server.initialized * 1e3, "first": server.first * 1e3, "idle": server.resident}
        one = _loaded(server.load, 1, plan)
        many = _loaded(server.load, IN_FLIGHT, plan)
        sample["loaded"] = server.resident
    return sample | _times("sequential", one) | _times("in_flight", many)


def _http(subject: Subject, folder: Path, plan: Plan) -> dict[str, float]:
    with HttpServer(subject, folder) as server:
        one = _loaded(server.load, 1, plan)
        many = _loaded(server.load, CONNECTIONS, plan)
    return _times("http_one", one) | _times("http_many", many)


def _loaded(load: Callable[[int, int], Load], together: int, plan: Plan) -> Load:
    """Warm up, then make as many calls as the plan and the time allow."""
    before = load(max(plan.warm_up, together), together)
    affordable = int(LONGEST / (before.seconds / before.calls))
    return load(max(min(plan.calls * (2 if together > 1 else 1), affordable), together), together)


def _times(key: str, load: Load) -> dict[str, float]:
    """Wall and CPU time of a call, and the spread where calls were made one after the other."""
    spread = {"p50": 0.5, "p99": 0.99} if load.each else {}
    return {key: load.microseconds, f"{key}_cpu": load.cpu_microseconds} | {
        f"{key}_{name}": percentile(load.each, share) * 1e6 for name, share in spread.items()
    }
