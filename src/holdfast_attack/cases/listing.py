"""The catalogue for a reader: a line for each case, or all about one."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast_attack.model import Case, Profile


def listed(cases: Sequence[Case]) -> str:
    """One line a case: id, severity, where it is played, profile, title."""
    rows = [(case.id, case.severity.name.lower(), _where(case), case.profile.value, case.title) for case in cases]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    quick = sum(case.profile is Profile.QUICK for case in cases)
    return "\n".join([*lines, f"{len(cases)} cases, {quick} of them in the quick profile"])


def explained(case: Case) -> str:
    """All about one case."""
    told = {
        "severity": case.severity.name.lower(),
        "played": f"{_where(case)}, {case.profile} profile, at most {case.seconds:g} s",
        "sends": case.sends,
        "sound": case.sound,
        "reference": f"{case.reference.text} ({case.reference.backing})",
        "advisories": ", ".join(case.advisories),
        "remedy": case.remedy,
    }
    lines = [f"{name:<11} {text}" for name, text in told.items() if text]
    return "\n".join([f"{case.id}: {case.title}", *lines])


def _where(case: Case) -> str:
    return f"{'+'.join(sorted(case.transports))}, {case.eras}"
