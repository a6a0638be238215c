"""Several servers side by side: the same cases, one column each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast_attack.model import Kind, Report
from holdfast_attack.model.scorecard import Row, scorecard, whole
from holdfast_attack.report.asjson import document
from holdfast_attack.report.files import replace_file
from holdfast_attack.report.gathered import percent
from holdfast_attack.report.harmless import one_line

SCHEMA = "holdfast-attack-comparison/1"
_NONE = "-"


def show(reports: Sequence[Report]) -> None:
    """Print the table, and what the figures in it are."""
    print(table(reports))


def table(reports: Sequence[Report]) -> str:
    """Classes as rows, servers as columns: score, failed/tried."""
    head = ("class", *(one_line(report.subject.label, 30) for report in reports))
    rows = [head, *(_row(kind, reports) for kind in Kind if _played(kind, reports)), _row(None, reports)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "score (failed of tried); - where nothing applied"])


def write(reports: Sequence[Report], file: Path) -> None:
    """One JSON file with every report. Raises ``ConfigurationError`` when it cannot be written."""
    document_ = {"schema": SCHEMA, "reports": [document(report) for report in reports]}
    replace_file(file, json.dumps(document_, indent=2, ensure_ascii=True) + "\n")


def _played(kind: Kind, reports: Sequence[Report]) -> bool:
    return any(outcome.case.kind is kind for report in reports for outcome in report.outcomes)


def _row(kind: Kind | None, reports: Sequence[Report]) -> tuple[str, ...]:
    cells = []
    for report in reports:
        rows: dict[Any, Row] = {row.kind: row for row in scorecard(report)}
        cells.append(_cell(whole(report) if kind is None else rows.get(kind)))
    return ("all" if kind is None else str(kind), *cells)


def _cell(row: Row | None) -> str:
    if row is None or row.passed + row.failed == 0:
        return _NONE
    return f"{percent(row.score)} ({row.failed} of {row.passed + row.failed})"
