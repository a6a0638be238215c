"""One finding: which check, where, and what of it is said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from holdfast.lint.catalogue import LEVELS, Check, Level, check_of


@dataclass(frozen=True, slots=True)
class Place:
    """A line and column (both from 1) of a file; a suppression counts on any line from ``first`` to ``last``."""

    file: Path
    line: int = 1
    column: int = 1
    first: int = 1
    last: int = 1

    @classmethod
    def at(cls, file: Path, line: int, column: int) -> Place:
        """A place whose suppression stands on its own line."""
        return cls(file, line, column, line, line)


@dataclass(frozen=True, slots=True)
class Finding:
    """``message`` says what was found; it holds names of the author's source, and never a secret."""

    code: str
    message: str
    place: Place

    @property
    def check(self) -> Check:
        """The kind of finding."""
        return check_of(self.code)

    @property
    def level(self) -> Level:
        """How grave it is."""
        return self.check.level

    def sorting(self) -> tuple[str, int, int, str, str]:
        """By place, then by code, so that two runs say the same in the same order."""
        place = self.place
        return str(place.file), place.line, place.column, self.code, self.message


def at_least(findings: list[Finding], level: Level) -> list[Finding]:
    """The findings that are as grave as ``level`` or graver."""
    return [finding for finding in findings if LEVELS.index(finding.level) >= LEVELS.index(level)]
