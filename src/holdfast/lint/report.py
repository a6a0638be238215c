"""Findings as lines for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.lint.catalogue import LEVELS
from holdfast.lint.finding import Finding
from holdfast.safe.text import clean

FORMAT = 1
"""Version of the JSON; it grows when a field changes its meaning."""


def shown(file: Path, base: Path) -> str:
    """A file beneath ``base`` by its relative path, any other by its whole one; with forward slashes."""
    return (file.relative_to(base) if file.is_relative_to(base) else file).as_posix()


def one_line(text: str) -> str:
    """``text`` in one line, without what a terminal would obey."""
    return " ".join(clean(text).split())


def lines(findings: Sequence[Finding], base: Path) -> list[tuple[str, str, str]]:
    """For each finding its place, its level with the code, and its words with what to do instead."""
    return [
        (
            one_line(f"{shown(finding.place.file, base)}:{finding.place.line}:{finding.place.column}"),
            f"{finding.level} {finding.code}",
            one_line(f"{finding.message}. {finding.check.instead}"),
        )
        for finding in findings
    ]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many there are of each level, the gravest first."""
    return {level: sum(finding.level == level for finding in findings) for level in reversed(LEVELS)}


def summary(findings: Sequence[Finding], label: str) -> str:
    """The last line: ``2 errors, 1 warning in 12 entries of server.py``."""
    found = [f"{count} {level}{'s' * (count != 1)}" for level, count in counts(findings).items() if count]
    return f"{', '.join(found) or 'no findings'} in {label}"


def as_json(findings: Sequence[Finding], base: Path, server: str) -> str:
    """One object: the findings in order, and how many there are of each level."""
    entries = [
        {
            "code": finding.code,
            "level": finding.level,
            "message": finding.message,
            "instead": finding.check.instead,
            "file": shown(finding.place.file, base),
            "line": finding.place.line,
            "column": finding.place.column,
        }
        for finding in findings
    ]
    held: dict[str, Any] = {"format": FORMAT, "server": server, "counts": counts(findings), "findings": entries}
    return json.dumps(held, indent=2, ensure_ascii=True)
