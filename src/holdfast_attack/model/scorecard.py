"""The scorecard: what passed and failed by class, weighted by severity. The weights are published in docs/attack.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast_attack.model.case import Kind, Severity
from holdfast_attack.model.outcome import Outcome, Report, Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """One class, or the whole when ``kind`` is None."""

    kind: Kind | None
    passed: int
    failed: int
    advice: int
    not_applicable: int
    inconclusive: int
    accepted: int
    weight_passed: int
    weight_failed: int

    @property
    def score(self) -> float | None:
        """Share of the weight that passed, 0 to 1; None when nothing could be scored."""
        whole = self.weight_passed + self.weight_failed
        return None if whole == 0 else self.weight_passed / whole


def scorecard(report: Report) -> tuple[Row, ...]:
    """One row for each class with an outcome, in their order."""
    return tuple(
        _row(kind, of_kind) for kind in Kind if (of_kind := [o for o in report.outcomes if o.case.kind is kind])
    )


def whole(report: Report) -> Row:
    """All classes together."""
    return _row(None, report.outcomes)


def failures(report: Report) -> tuple[Outcome, ...]:
    """What failed and is not accepted, worst first; in the order of the run where it is equally bad."""
    failed = [o for o in report.outcomes if o.verdict is Verdict.FAILED and not o.accepted]
    return tuple(sorted(failed, key=lambda outcome: -outcome.case.severity))


def fails(report: Report, least: Severity) -> bool:
    """Whether a case of ``least`` or worse failed."""
    return any(outcome.case.severity >= least for outcome in failures(report))


def _row(kind: Kind | None, outcomes: Iterable[Outcome]) -> Row:
    outcomes = tuple(outcomes)
    scored = [outcome for outcome in outcomes if not outcome.accepted]
    counted = Counter(outcome.verdict for outcome in scored)
    weights: Counter[Verdict] = Counter()
    for outcome in scored:
        weights[outcome.verdict] += outcome.case.severity
    return Row(
        kind,
        passed=counted[Verdict.PASSED],
        failed=counted[Verdict.FAILED],
        advice=counted[Verdict.ADVICE],
        not_applicable=counted[Verdict.NOT_APPLICABLE],
        inconclusive=counted[Verdict.INCONCLUSIVE],
        accepted=len(outcomes) - len(scored),
        weight_passed=weights[Verdict.PASSED],
        weight_failed=weights[Verdict.FAILED],
    )
