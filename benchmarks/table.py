"""The tables: aligned and coloured for a terminal, Markdown for the README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from figures import CPU, HOLDFAST, HTTP, PAYLOADS, START, STDIO, Figure, Metric, Series, figures, ratio, value
from subjects import Subject

_GREEN, _YELLOW, _RED, _DIM, _BOLD, _OFF = "\033[32m", "\033[33m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"
TABLES = (
    ("Time of a call over stdio", STDIO),
    ("Time of a call over HTTP", HTTP),
    ("Time of a call that sends a text and gets it back", PAYLOADS),
    ("CPU of the server for a call, all its threads together", CPU),
    ("Start and memory (stdio)", START),
)
GROWTH = (
    ("tools", "tools of the server", "stdio, one at a time, every tool in turn"),
    ("principals", "principals known to the rate limiter", "in process, callers at random"),
    ("waiting", "calls that wait", "stdio, quick calls beside them, one at a time"),
)
INSIDE = (
    ("handler", "the handler alone"),
    ("chain", "the whole default chain over it, audited"),
    ("chain_readonly", "the same for a read-only tool"),
    ("chain_least", "validation and run alone"),
    ("stage_parse", "stage: message parsed"),
    ("stage_encode", "stage: answer encoded"),
    ("calibration", "calibration: 1,000 turns of plain Python"),
)
TOLERABLE = 1.5
"""A ratio up to which a figure is shown in yellow."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Words, and the ratio that colours them."""

    words: str
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the heads of the columns, and rows whose first cell is the row's name."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def tables(subjects: Sequence[Subject], series: Series) -> list[Table]:
    """Everything that was measured; a table without a single figure is left out."""
    found = figures(series)
    made = []
    for title, metrics in TABLES:
        shown = [metric for metric in metrics if metric.key in series]
        if shown:
            rows = tuple(
                (Cell(subject.label), *(_cell(found.get(subject.name, {}).get(metric.key), metric) for metric in shown))
                for subject in subjects
            )
            made.append(Table(title, ("server", *(metric.title for metric in shown)), rows))
    made += [table for table in (_inside(series), _guards(series), *_growth(series)) if table.rows]
    return made


def _cell(figure: Figure | None, metric: Metric) -> Cell:
    if figure is None:
        return Cell("not measured")
    told = f"{figure.value:,.0f} {metric.unit}"
    return Cell(told if figure.ratio is None else f"{told}, {figure.ratio:.2f}x", figure.ratio)


def _inside(series: Series) -> Table:
    rows = [(words, value(series, (key, HOLDFAST))) for key, words in INSIDE]
    told = tuple((Cell(words), Cell(f"{found:,.1f} us")) for words, found in rows if found is not None)
    return Table("One call in process (holdfast)", ("part", "time"), told)


def _guards(series: Series) -> Table:
    names = [key.removeprefix("alone_") for key in series if key.startswith("alone_")]
    rows = []
    for name in names:
        alone, without = value(series, (f"alone_{name}", HOLDFAST)), value(series, (f"without_{name}", HOLDFAST))
        rows.append((Cell(name), Cell(f"{alone or 0:,.1f} us"), Cell(f"{without or 0:,.1f} us")))
    return Table("Each guard of the default chain", ("guard", "alone, it adds", "left out, it saves"), tuple(rows))


def _growth(series: Series) -> list[Table]:
    made = []
    for prefix, column, how in GROWTH:
        counts = sorted(int(key.partition("_")[2]) for key in series if key.startswith(f"{prefix}_"))
        rows = []
        for count in counts:
            place = (f"{prefix}_{count}", HOLDFAST)
            against = ratio(series, place, (f"{prefix}_{counts[0]}", HOLDFAST))
            told = f"{value(series, place) or 0:,.0f} us"
            rows.append((Cell(f"{count:,}"), Cell(f"{told}, {against:.2f}x" if against else told)))
        made.append(Table(f"A call of holdfast among many {prefix} ({how})", (column, "time of a call"), tuple(rows)))
    return made


def text(made: Sequence[Table], *, colour: bool) -> str:
    """The tables for a terminal."""
    return "\n\n".join(_aligned(table, colour) for table in made)


def _aligned(table: Table, colour: bool) -> str:
    columns = list(zip(table.heads, *[[cell.words for cell in row] for row in table.rows], strict=True))
    widths = [max(map(len, column)) for column in columns]
    title, head = table.title, _row(table.heads, widths)
    lines = [f"{_BOLD}{title}{_OFF}", f"{_DIM}{head}{_OFF}"] if colour else [title, head]
    for row in table.rows:
        first = f"{row[0].words:<{widths[0]}}"
        lines.append(first + "".join(f"  {_painted(cell, width, colour)}" for cell, width in _with(row, widths)))
    return "\n".join(lines)


def _row(words: Sequence[str], widths: Sequence[int]) -> str:
    return f"{words[0]:<{widths[0]}}" + "".join(
        f"  {word:>{width}}" for word, width in zip(words[1:], widths[1:], strict=True)
    )


def _with(row: Sequence[Cell], widths: Sequence[int]) -> list[tuple[Cell, int]]:
    return list(zip(row[1:], widths[1:], strict=True))


def _painted(cell: Cell, width: int, colour: bool) -> str:
    words = f"{cell.words:>{width}}"
    if not colour or cell.ratio is None:
        return words
    paint = _GREEN if cell.ratio <= 1 else _YELLOW if cell.ratio <= TOLERABLE else _RED
    return f"{paint}{words}{_OFF}"


def painted_verdict(line: str, *, colour: bool) -> str:
    """One line about a bar: green where it is met."""
    if not colour:
        return line
    outcome = line.rpartition(": ")[2]
    return f"{_GREEN if outcome.startswith('met') else _RED if outcome == 'not met' else _DIM}{line}{_OFF}"


def markdown(made: Sequence[Table]) -> str:
    """The tables as Markdown."""
    return "\n\n".join(f"{table.title}:\n\n{_markdown(table)}" for table in made)


def _markdown(table: Table) -> str:
    rows = [list(table.heads), ["---", *("---:" for _ in table.heads[1:])]]
    rows += [[cell.words for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def unmeasured(subjects: Sequence[Subject]) -> list[str]:
    """A line for each subject that is missing, with the reason."""
    return [f"{subject.label} was not measured: {subject.missing}" for subject in subjects if subject.missing]
