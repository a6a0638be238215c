"""What the reports tell, put in their order: the same case over all lanes is one entry, the same finding one line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor

from holdfast_attack.model.case import Case
from holdfast_attack.model.outcome import Finding, Lane, Outcome, Report, Verdict
from holdfast_attack.model.scorecard import failures, whole


@dataclass(frozen=True, slots=True)
class Told:
    """One finding, and the lanes on which it was made. The bytes are those of the first lane that has any."""

    finding: Finding
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One case, the lanes on which it ended so, and what was found there; without findings it is the ``why``."""

    case: Case
    lanes: tuple[Lane, ...]
    told: tuple[Told, ...]


def gathered(outcomes: Iterable[Outcome]) -> tuple[Entry, ...]:
    """One entry for each case, in the order in which they come first."""
    by_case: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_case.setdefault(outcome.case.id, []).append(outcome)
    return tuple(_entry(each) for each in by_case.values())


def _entry(outcomes: list[Outcome]) -> Entry:
    found: dict[tuple[str, str], list[tuple[Finding, Lane]]] = {}
    for outcome in outcomes:
        for finding in findings_of(outcome):
            found.setdefault((finding.what, finding.tool or ""), []).append((finding, outcome.lane))
    return Entry(outcomes[0].case, _lanes(outcome.lane for outcome in outcomes), tuple(map(_told, found.values())))


def _told(same: list[tuple[Finding, Lane]]) -> Told:
    with_bytes = next((finding for finding, _ in same if finding.sent or finding.got), same[0][0])
    return Told(with_bytes, _lanes(lane for _, lane in same))


def _lanes(lanes: Iterable[Lane]) -> tuple[Lane, ...]:
    return tuple(sorted(set(lanes)))


def findings_of(outcome: Outcome) -> tuple[Finding, ...]:
    """The findings; where there are none, the one line that says why."""
    return outcome.findings or ((Finding(outcome.why),) if outcome.why else ())


def failed(report: Report) -> tuple[Entry, ...]:
    """What failed and is not accepted, worst first."""
    return gathered(failures(report))


def accepted(report: Report) -> tuple[Entry, ...]:
    """What failed, and the baseline knows of it."""
    return gathered(o for o in report.outcomes if o.verdict is Verdict.FAILED and o.accepted)


def ended(report: Report, verdict: Verdict) -> tuple[Entry, ...]:
    """What ended with any other verdict than a failure."""
    return gathered(o for o in report.outcomes if o.verdict is verdict)


def lanes(report: Report) -> tuple[Lane, ...]:
    """On which anything was played."""
    return _lanes(outcome.lane for outcome in report.outcomes)


def reproduction(report: Report, case_id: str) -> str:
    """The command that plays this case again. What follows ``--`` is the server's command: the option goes before."""
    if not report.reproduce:
        return ""
    try:
        words = shlex.split(report.reproduce)
    except ValueError:  # not a shell's line: then nobody can say where its options end
        words = []
    if "--" not in words:
        return f"{report.reproduce} --case {case_id}"
    end = words.index("--")
    return shlex.join([*words[:end], "--case", case_id, *words[end:]])


def percent(score: float | None) -> str:
    """A score as text, cut rather than rounded: 100 % is said of nothing that failed."""
    return "-" if score is None else f"{floor(score * 100 + 1e-9)} %"


def duration(report: Report) -> str:
    """How long the run took, and might have taken."""
    return f"{report.seconds:.1f} s of at most {report.limit:.0f} s"


def when(report: Report) -> str:
    """When it began, for people; as it stands where it is no time."""
    try:
        began = datetime.fromisoformat(report.began)
    except ValueError:
        return report.began
    began = began.astimezone(UTC) if began.tzinfo else began
    return f"{began:%Y-%m-%d %H:%M:%S} UTC"


def counted(count: int, name: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{count} {name}{'s' * (count != 1)}"


def subject_name(report: Report) -> str:
    """What to call the server: what the user calls it, or how it was reached, or what it says of itself."""
    subject = report.subject
    return subject.label or shlex.join(subject.command) or subject.url or subject.name or "a server"


def totals(report: Report) -> str:
    """``2 failed, 130 passed, ...``: what came of all that was played."""
    row = whole(report)
    counts = (
        (row.failed, "failed"),
        (row.passed, "passed"),
        (row.advice, "advice"),
        (row.not_applicable, "not applicable"),
        (row.inconclusive, "inconclusive"),
        (row.accepted, "accepted"),
    )
    return ", ".join(f"{count} {name}" for count, name in counts)
