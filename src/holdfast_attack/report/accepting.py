"""Findings that somebody has looked at and accepts: they are told, but neither scored nor a reason to fail.

An entry is a case, a transport with an era (``stdio/legacy``), and a tool. What a finding says is no part of it: words
hold figures that differ from run to run. So a new tool that fails an accepted case is a failure, and a new revision of
the protocol is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from holdfast_attack.model.case import Eras
from holdfast_attack.model.outcome import Lane, Outcome, Report, Verdict
from holdfast_attack.report.gathered import findings_of
from holdfast_attack.report.harmless import encodable, one_line

MODERN_FROM: Final = "2026-07-28"
"""The first revision of the protocol without a handshake."""
_TOLD: Final = 10


@dataclass(frozen=True, slots=True, order=True)
class Known:
    """One accepted finding. ``lane`` is ``stdio`` or ``http``, a slash, and ``legacy`` or ``modern``; ``tool`` is empty
    where the finding is about no one tool."""

    case: str
    lane: str
    tool: str = ""

    def __str__(self) -> str:
        return one_line(f"{self.case} on {self.lane}{f' with {self.tool}' if self.tool else ''}")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is accepted."""

    known: frozenset[Known] = frozenset()

    def accept(self, report: Report) -> Report:
        """See ``accept``."""
        return accept(report, self)


def group(lane: Lane) -> str:
    """``stdio/legacy`` of stdio and 2025-11-25."""
    return f"{lane.transport}/{Eras.MODERN if lane.version >= MODERN_FROM else Eras.LEGACY}"


def keys(outcome: Outcome) -> frozenset[Known]:
    """What a baseline must hold, all of it, for this failure to be accepted."""
    tools = {encodable(finding.tool or "") for finding in findings_of(outcome)} or {""}
    return frozenset(Known(outcome.case.id, group(outcome.lane), tool) for tool in tools)


def baseline_of(report: Report) -> Baseline:
    """Everything that failed, accepted before or not: what to write so that the next run finds nothing new."""
    return Baseline(frozenset().union(*map(keys, _failed(report.outcomes))))


def accept(report: Report, baseline: Baseline) -> Report:
    """The report with each failure ``accepted`` whose findings are all known, and a note of the entries that are stale.

    An entry is stale when its case was played on its lane, with a verdict, and it was not found there any more.
    """
    outcomes = tuple(
        replace(outcome, accepted=True) if _is_known(outcome, baseline) else outcome for outcome in report.outcomes
    )
    gone = stale(report, baseline)
    return replace(report, outcomes=outcomes, notes=(*report.notes, *([_note(gone)] if gone else [])))


def _is_known(outcome: Outcome, baseline: Baseline) -> bool:
    return outcome.verdict is Verdict.FAILED and keys(outcome) <= baseline.known


def stale(report: Report, baseline: Baseline) -> tuple[Known, ...]:
    """Entries that can be taken out of the baseline, in order."""
    judged = {
        (outcome.case.id, group(outcome.lane))
        for outcome in report.outcomes
        if outcome.verdict in (Verdict.PASSED, Verdict.FAILED)
    }
    found = baseline_of(report).known
    return tuple(sorted(each for each in baseline.known - found if (each.case, each.lane) in judged))


def _note(gone: tuple[Known, ...]) -> str:
    told = "; ".join(map(str, gone[:_TOLD]))
    more = f"; and {len(gone) - _TOLD} more" if len(gone) > _TOLD else ""
    what = "1 entry is" if len(gone) == 1 else f"{len(gone)} entries are"
    return f"the baseline is stale: {what} no longer found and can be removed: {told}{more}"


def _failed(outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
    return (outcome for outcome in outcomes if outcome.verdict is Verdict.FAILED)
