"""Writes a run down: the raw rounds as JSON, and the section of the README between its markers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from figures import Round, figures, slower
from subjects import Subject
from table import markdown, unmeasured

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def as_json(subjects: Sequence[Subject], rounds: Sequence[Round], machine: Mapping[str, str]) -> str:
    """Everything that was measured."""
    found = figures(rounds)
    told: dict[str, Any] = {
        "machine": dict(machine),
        "rounds": [{name: _rounded(sample) for name, sample in each.items()} for each in rounds],
        "figures": {
            name: {key: _rounded(asdict(figure)) for key, figure in row.items()} for name, row in found.items()
        },
        "not_measured": {subject.name: subject.missing for subject in subjects if subject.missing},
    }
    return json.dumps(told, indent=1) + "\n"


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 3) for key, value in values.items()}


def section(subjects: Sequence[Subject], rounds: Sequence[Round], machine: Mapping[str, str]) -> str:
    """The README's section."""
    found = figures(rounds)
    verdict = slower(found) or ["holdfast with every guard is no slower over stdio than the bare SDK with none."]
    lines = [
        f"Measured on {machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, "
        f"{machine['python']}; {machine['libraries']}. {len(rounds)} rounds. "
        f"Load average at the start: {machine['load']}.",
        "",
        markdown(subjects, found),
        "",
        *[f"{line[0].upper()}{line[1:]}" for line in (*verdict, *unmeasured(subjects))],
    ]
    return "\n".join(lines)


def regenerate(readme: Path, written: str) -> None:
    """Replace what stands between the markers. Raises ``ValueError`` when they are not there."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the README needs the markers {BEGIN} and {END}")
    readme.write_text(f"{before}{BEGIN}\n{written}\n{END}{after}", encoding="utf-8")
