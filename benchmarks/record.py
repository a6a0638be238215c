"""Writes a run down: the raw laps as JSON, the plot, and the section of the README between its markers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bars import verdicts
from figures import Series, figures
from subjects import Subject
from table import markdown, tables, unmeasured

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run, and what it was made on."""

    subjects: Sequence[Subject]
    series: Series
    rounds: int
    machine: Mapping[str, str]


def as_json(run: Run) -> str:
    """Everything that was measured: every lap, and what came of it."""
    told: dict[str, Any] = {
        "machine": dict(run.machine),
        "rounds": run.rounds,
        "verdicts": verdicts(run.series),
        "figures": {
            name: {key: {"value": _rounded(each.value), "ratio": _rounded(each.ratio)} for key, each in row.items()}
            for name, row in figures(run.series).items()
        },
        "not_measured": {subject.name: subject.missing for subject in run.subjects if subject.missing},
        "laps": {
            metric: {name: [_rounded(each) for each in laps] for name, laps in row.items()}
            for metric, row in run.series.items()
        },
    }
    lines = json.dumps(told["laps"]).replace('}, "', '},\n "')  # a line for each metric, not for each number
    return json.dumps(told | {"laps": None}, indent=1).replace('"laps": null', f'"laps": {lines}') + "\n"


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)


def about(run: Run) -> str:
    """What it was measured on, as one line."""
    machine = run.machine
    return (
        f"Measured on {machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, "
        f"{machine['python']}; {machine['libraries']}. {run.rounds} round{'s' if run.rounds > 1 else ''}. "
        f"Load average at the start: {machine['load']}. uvicorn's accelerators: {machine['speeders']}."
    )


def section(run: Run, plot: str | None) -> str:
    """The README's section; ``plot`` is the picture's path, relative to the README."""
    picture = [f"![Ratios of every server to the bare SDK]({plot})", ""] if plot else []
    promised = ["The bars:", "", *(f"- {line}" for line in verdicts(run.series)), ""]
    missing = unmeasured(run.subjects)
    lines = [about(run), "", *picture, *promised, markdown(tables(run.subjects, run.series))]
    return "\n".join([*lines, *(["", *missing] if missing else [])])


def regenerate(readme: Path, written: str) -> None:
    """Replace what stands between the markers. Raises ``ValueError`` when they are not there."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the README needs the markers {BEGIN} and {END}")
    readme.write_text(f"{before}{BEGIN}\n{written}\n{END}{after}", encoding="utf-8")
