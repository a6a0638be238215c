"""The report as text: the scorecard, the worst findings first, advice, what stayed open, and one closing line."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TextIO

from holdfast_attack.model.outcome import Lane, Report, Verdict
from holdfast_attack.model.scorecard import Row, scorecard, whole
from holdfast_attack.report.colours import OF_SEVERITY, Paint, is_terminal, paint_for
from holdfast_attack.report.gathered import (
    Entry,
    Told,
    accepted,
    counted,
    duration,
    ended,
    failed,
    lanes,
    percent,
    reproduction,
    subject_name,
    totals,
    when,
)
from holdfast_attack.report.harmless import bytes_in_line, one_line

_COLUMNS: Final = ("class", "passed", "failed", "advice", "not applicable", "inconclusive", "accepted", "score")
_TITLE: Final = 11  # width of "reproduce" and two blanks, what every line of a finding begins with
_BYTES: Final = 200
_MOST: Final = 100
"""Findings of one case that are told; a server of a thousand tools may fail a case with each of them."""
_NARROWEST, _WIDEST = 60, 120


@dataclass(frozen=True, slots=True)
class Sheet:
    """How lines are drawn: with or without colours; wrapped at ``width``, or whole for other programs."""

    paint: Paint = field(default_factory=Paint)
    width: int | None = None

    def wrapped(self, text: str, indent: int = 0, first: str = "") -> list[str]:
        """``text`` behind ``first``, every line of it indented."""
        start = first.ljust(indent)
        if self.width is None:
            return [start + text]
        room = max(self.width - indent, 20)
        pieces = textwrap.wrap(text, room, break_on_hyphens=False, replace_whitespace=False) or [""]
        return [(start if number == 0 else " " * indent) + piece for number, piece in enumerate(pieces)]


def show(report: Report, stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
    """Print the whole report: coloured and wrapped in a terminal, plain and unwrapped everywhere else."""
    width = None
    if is_terminal(stream):
        width = min(max(shutil.get_terminal_size((100, 24)).columns, _NARROWEST), _WIDEST)
    sheet = Sheet(paint_for(stream, environment), width)
    text = "\n".join(lines(report, sheet)) + "\n"
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))  # a terminal in ASCII reads it too
    stream.flush()


def lines(report: Report, sheet: Sheet | None = None) -> list[str]:
    """The whole report as lines."""
    drawn = sheet or Sheet()
    parts = (
        _opening(report, drawn),
        scorecard_lines(report, drawn),
        finding_lines(report, drawn),
        _short("Advice (not scored)", ended(report, Verdict.ADVICE), drawn),
        _short("Inconclusive: kept from being tried or judged", ended(report, Verdict.INCONCLUSIVE), drawn),
        _short("Accepted by the baseline", accepted(report), drawn),
        [closing(report, drawn)],
    )
    told: list[str] = []
    for part in filter(None, parts):
        told += [*([""] if told else []), *part]
    return told


def _opening(report: Report, sheet: Sheet) -> list[str]:
    subject = report.subject
    says = " ".join(filter(None, (subject.name, subject.version))) or "no name given"
    spoken = ", ".join(subject.versions) or "unknown"
    played = ", ".join(map(str, lanes(report))) or "none"
    facts = (
        ("server", f"{subject_name(report)} ({says}), {counted(subject.tools, 'tool')}, protocol {spoken}"),
        ("lanes", played),
        ("run", f"{report.profile} profile, seed {report.seed}, {when(report)}"),
        *(("note", note) for note in report.notes),
    )
    head = " ".join(filter(None, ("holdfast attack", report.tool_version)))
    told = [sheet.paint(one_line(head), "bold")]
    for name, fact in facts:
        told += sheet.wrapped(one_line(fact), 8, name)
    return told


def scorecard_lines(report: Report, sheet: Sheet | None = None) -> list[str]:
    """The table: a row for each class with an outcome, and one for all of them."""
    paint = (sheet or Sheet()).paint
    rows = [*scorecard(report), whole(report)]
    cells = [_COLUMNS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    told = [_aligned(row, widths) for row in cells]
    return [paint(told[0], "bold"), *(paint(line, _tone(row)) for line, row in zip(told[1:], rows, strict=True))]


def _tone(row: Row) -> str:
    if row.failed:
        return "red"
    return "green" if row.passed and not row.inconclusive else "dim"


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.passed, row.failed, row.advice, row.not_applicable, row.inconclusive, row.accepted)
    return (row.kind or "all", *map(str, counts), percent(row.score))


def _aligned(cells: Iterable[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])


def finding_lines(report: Report, sheet: Sheet | None = None) -> list[str]:
    """Everything that failed, worst first, with what to do about it."""
    drawn = sheet or Sheet()
    found = failed(report)
    if not found:
        return []
    told = [drawn.paint("Findings, worst first", "bold")]
    for entry in found:
        told += ["", *_finding(entry, report, drawn)]
    return told


def _finding(entry: Entry, report: Report, sheet: Sheet) -> Iterator[str]:
    case = entry.case
    badge = sheet.paint(case.severity.name, OF_SEVERITY[case.severity])
    yield f"{badge} {sheet.paint(case.id, 'bold')} ({_named(entry.lanes)})"
    yield from sheet.wrapped(one_line(case.title), 2)
    for told in entry.told[:_MOST]:
        yield from _line("found", _what(told, entry), sheet)
    if len(entry.told) > _MOST:
        yield from _line("", f"... and {len(entry.told) - _MOST} more", sheet)
    yield from _line("tried", one_line(case.sends), sheet)
    evidence = next((told.finding for told in entry.told if told.finding.sent or told.finding.got), None)
    if evidence is not None:
        yield from _line("sent", bytes_in_line(evidence.sent, _BYTES), sheet)
        yield from _line("got", bytes_in_line(evidence.got, _BYTES), sheet)
    yield from _line("sound", one_line(case.sound), sheet)
    yield from _line("reference", one_line(f"{case.reference.text} ({case.reference.backing})"), sheet)
    yield from _line("remedy", one_line(case.remedy), sheet)
    yield from _line("reproduce", one_line(reproduction(report, case.id)), sheet)


def _line(name: str, text: str, sheet: Sheet) -> list[str]:
    if not text:
        return []
    first, *others = sheet.wrapped(text, 2 + _TITLE, f"  {name}")
    return [first.replace(name, sheet.paint(name, "dim"), 1) if name else first, *others]


def _what(told: Told, entry: Entry) -> str:
    """``read_file: what happened``, with the lanes where they are not those of the whole entry."""
    tool = f"{one_line(told.finding.tool)}: " if told.finding.tool else ""
    where = "" if told.lanes == entry.lanes else f" ({_named(told.lanes)})"
    return f"{tool}{one_line(told.finding.what)}{where}"


def _named(on: Iterable[Lane]) -> str:
    return one_line(", ".join(map(str, on)))


def _short(title: str, entries: tuple[Entry, ...], sheet: Sheet) -> list[str]:
    """One line for each finding of each case."""
    told = [sheet.paint(title, "bold")] if entries else []
    for entry in entries:
        where = f" ({_named(entry.lanes)})"
        for number, each in enumerate(entry.told[:_MOST]):
            told += sheet.wrapped(f"{entry.case.id}{where if number == 0 else ''}: {_what(each, entry)}", 2)
        if len(entry.told) > _MOST:
            told += sheet.wrapped(f"{entry.case.id}: ... and {len(entry.told) - _MOST} more", 2)
        if not entry.told:
            told += sheet.wrapped(f"{entry.case.id}{where}: {one_line(entry.case.title)}", 2)
    return told


def closing(report: Report, sheet: Sheet | None = None) -> str:
    """The last line: totals, and seconds of the limit."""
    row = whole(report)
    cases = counted(len({outcome.case.id for outcome in report.outcomes}), "case")
    on = counted(len(lanes(report)), "lane")
    line = f"{totals(report)} ({cases} on {on}), score {percent(row.score)}, {duration(report)}"
    return (sheet or Sheet()).paint(line, "red" if row.failed else "green")
