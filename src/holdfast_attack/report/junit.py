"""The report as JUnit's XML, which CI systems read: a suite for each class, a test case for each case on a lane.

What is not applicable, inconclusive or accepted is ``skipped`` with a message that says so; advice passes, and says
its piece as the test case's output.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from holdfast_attack.model.case import Kind
from holdfast_attack.model.outcome import Finding, Outcome, Report, Verdict
from holdfast_attack.report.gathered import findings_of, reproduction, subject_name
from holdfast_attack.report.harmless import bytes_in_line, one_line
from holdfast_attack.report.markup import Markup, element, joined

_BYTES = 2000
_SKIPPED = frozenset({Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE})


def as_junit(report: Report) -> str:
    """The file, in ASCII: characters beyond it as references, what XML forbids as visible escapes."""
    suites = [
        _suite(kind, of_kind, report)
        for kind in Kind
        if (of_kind := [outcome for outcome in report.outcomes if outcome.case.kind is kind])
    ]
    about = {"name": f"holdfast attack: {one_line(subject_name(report))}", **_counts(report.outcomes)}
    root = element("testsuites", "\n", *suites, attributes=about)
    body = root.encode("ascii", "xmlcharrefreplace").decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    failed = sum(_fails(outcome) for outcome in outcomes)
    skipped = sum(outcome.accepted or outcome.verdict in _SKIPPED for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    counted = {"tests": len(outcomes), "failures": failed, "errors": 0, "skipped": skipped}
    return {**{name: str(count) for name, count in counted.items()}, "time": f"{seconds:.3f}"}


def _fails(outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.FAILED and not outcome.accepted


def _suite(kind: Kind, outcomes: Sequence[Outcome], report: Report) -> Markup:
    cases = [joined(_test_case(outcome, report), "\n") for outcome in outcomes]
    about = {"name": f"holdfast_attack.{kind}", **_counts(outcomes), **_when(report.began)}
    return joined(element("testsuite", "\n", *cases, attributes=about), "\n")


def _when(began: str) -> dict[str, str]:
    """``timestamp`` as the readers' schemas have it: to the second, without a zone (it is UTC)."""
    try:
        moment = datetime.fromisoformat(began)
    except ValueError:
        return {}
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return {"timestamp": moment.replace(microsecond=0, tzinfo=None).isoformat()}


def _test_case(outcome: Outcome, report: Report) -> Markup:
    return element(
        "testcase",
        *_result(outcome, report),
        attributes={
            "classname": f"holdfast_attack.{outcome.case.kind}",
            "name": f"{outcome.case.id} [{outcome.lane}]",
            "time": f"{outcome.seconds:.3f}",
        },
    )


def _result(outcome: Outcome, report: Report) -> tuple[Markup, ...]:
    why = one_line(outcome.why or "; ".join(finding.what for finding in outcome.findings) or outcome.case.title)
    if outcome.accepted:
        return (element("skipped", message=f"accepted by the baseline: {why}"),)
    if outcome.verdict in _SKIPPED:
        return (element("skipped", message=f"{outcome.verdict}: {why}"),)
    if outcome.verdict is Verdict.ADVICE:
        return (element("system-out", f"advice: {why}\n{_told(outcome, report)}"),)
    if outcome.verdict is Verdict.FAILED:
        severity = outcome.case.severity.name.lower()
        return (element("failure", _told(outcome, report), message=f"{severity}: {why}", type=severity),)
    return ()


def _told(outcome: Outcome, report: Report) -> str:
    case = outcome.case
    lines = [line for finding in findings_of(outcome) for line in _finding(finding)]
    lines += [
        f"sound: {one_line(case.sound)}",
        f"reference: {one_line(case.reference.text)} ({case.reference.backing})",
        f"remedy: {one_line(case.remedy)}",
        f"reproduce: {one_line(reproduction(report, case.id))}",
    ]
    return "\n".join(lines)


def _finding(finding: Finding) -> list[str]:
    tool = f"{one_line(finding.tool)}: " if finding.tool else ""
    lines = [f"{tool}{one_line(finding.what)}"]
    if finding.sent:
        lines.append(f"sent: {bytes_in_line(finding.sent, _BYTES)}")
    if finding.got:
        lines.append(f"got: {bytes_in_line(finding.got, _BYTES)}")
    return lines
