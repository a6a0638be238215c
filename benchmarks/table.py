"""The tables: aligned and coloured for a terminal, Markdown for the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from figures import CPU, SIZE, SPEED, Figure, Metric
from subjects import Subject

Found = Mapping[str, Mapping[str, Figure]]
_GREEN, _YELLOW, _RED, _DIM, _BOLD, _OFF = "\033[32m", "\033[33m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"
TABLES = (
    ("Time of a call", SPEED),
    ("CPU of the server for a call, all its threads together", CPU),
    ("Start and memory (stdio)", SIZE),
)
TOLERABLE = 1.5
"""A ratio up to which a figure is shown in yellow."""


def text(subjects: Sequence[Subject], found: Found, *, colour: bool) -> str:
    """The tables for a terminal."""
    return "\n\n".join(f"{title}\n{_aligned(subjects, found, metrics, colour)}" for title, metrics in TABLES)


def _aligned(subjects: Sequence[Subject], found: Found, metrics: Sequence[Metric], colour: bool) -> str:
    first = max(len(subject.label) for subject in subjects)
    widths = [max(len(metric.title), 18) for metric in metrics]
    head = " " * first + "".join(f"  {metric.title:>{width}}" for metric, width in zip(metrics, widths, strict=True))
    lines = [_BOLD + head + _OFF if colour else head]
    for subject in subjects:
        cells = [
            _painted(_cell(subject, found, metric), width, colour)
            for metric, width in zip(metrics, widths, strict=True)
        ]
        lines.append(f"{subject.label:<{first}}" + "".join(f"  {cell}" for cell in cells))
    return "\n".join(lines)


def _cell(subject: Subject, found: Found, metric: Metric) -> tuple[str, Figure | None]:
    if subject.name not in found:
        return "not measured", None
    figure = found[subject.name][metric.key]
    return f"{figure.value:,.0f} {metric.unit}  {figure.ratio:.2f}x", figure


def _painted(cell: tuple[str, Figure | None], width: int, colour: bool) -> str:
    words, figure = cell
    if not colour:
        return f"{words:>{width}}"
    if figure is None:
        return f"{_DIM}{words:>{width}}{_OFF}"
    paint = _GREEN if figure.ratio <= 1 else _YELLOW if figure.ratio <= TOLERABLE else _RED
    return f"{paint}{words:>{width}}{_OFF}"


def markdown(subjects: Sequence[Subject], found: Found) -> str:
    """The tables as Markdown."""
    return "\n\n".join(f"{title}:\n\n{_rows(subjects, found, metrics)}" for title, metrics in TABLES)


def _rows(subjects: Sequence[Subject], found: Found, metrics: Sequence[Metric]) -> str:
    rows = [["server", *(metric.title for metric in metrics)], ["---", *("---:" for _ in metrics)]]
    rows += [
        [subject.label, *(_cell(subject, found, metric)[0].replace("  ", ", ") for metric in metrics)]
        for subject in subjects
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def unmeasured(subjects: Sequence[Subject]) -> list[str]:
    """A line for each subject that is missing, with the reason."""
    return [f"{subject.label} was not measured: {subject.missing}" for subject in subjects if subject.missing]
