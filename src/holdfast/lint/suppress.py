"""``# holdfast: ignore[HF101] reason``: findings that an author has judged; HF901 and HF902 for a mark at fault."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.lint.finding import Finding, Place
from holdfast.lint.source import Source

_MARK: Final = re.compile(r"#\s*holdfast:\s*ignore\b(?:\[(?P<codes>[^\]]*)\])?(?P<reason>[^#]*)", re.I)
_REASON: Final = re.compile(r"\w{3,}")
"""A word at least: letters that say something."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One comment: the line it stands on and the lines it speaks of (the next one too when it stands alone)."""

    place: Place
    lines: frozenset[int]
    codes: frozenset[str]
    reason: bool

    def covers(self, finding: Finding) -> bool:
        """Whether it silences the finding."""
        place = finding.place
        return (
            self.reason
            and finding.code in self.codes
            and place.file == self.place.file
            and any(place.first <= line <= place.last for line in self.lines)
        )


def marks(source: Source) -> Iterator[Mark]:
    """Every mark of a file."""
    for line, (comment, alone) in sorted(source.comments.items()):
        found = _MARK.search(comment)
        if found is None:
            continue
        codes = frozenset(code.strip().upper() for code in (found["codes"] or "").split(",") if code.strip())
        lines = {line}
        if alone:
            following = line + 1
            while following in source.comments and source.comments[following][1]:
                following += 1
            lines.add(following)
        place = Place.at(source.file, line, 1)
        yield Mark(place, frozenset(lines), codes, bool(_REASON.search(found["reason"] or "")))


def applied(findings: Iterable[Finding], sources: Iterable[Source], judged: frozenset[str]) -> list[Finding]:
    """The findings that are left, with those about marks. ``judged`` are the codes that were looked for at all."""
    found = [mark for source in sources for mark in marks(source)]
    used: set[tuple[Mark, str]] = set()
    left: list[Finding] = []
    for finding in findings:
        covering = [mark for mark in found if mark.covers(finding)]
        used |= {(mark, finding.code) for mark in covering}
        if not covering:
            left.append(finding)
    for mark in found:
        left += _about(mark, {code for by, code in used if by == mark}, judged)
    return left


def _about(mark: Mark, used: set[str], judged: frozenset[str]) -> Iterator[Finding]:
    if not mark.codes:
        yield Finding("HF901", "this suppression names no code: write ignore[HF...] and why", mark.place)
    elif not mark.reason:
        yield Finding("HF901", f"the suppression of {', '.join(sorted(mark.codes))} has no reason", mark.place)
    else:
        from holdfast.lint.catalogue import checks

        for code in sorted(mark.codes - used):
            if code not in checks():
                yield Finding("HF902", f"there is no check {code[:20]} to suppress", mark.place)
            elif code in judged:
                yield Finding("HF902", f"nothing is found here that {code} would be suppressed for", mark.place)
