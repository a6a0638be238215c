"""Plays one case and turns whatever happens into an outcome: nothing that a server does gets past this."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from holdfast_attack.link.session import Gone
from holdfast_attack.model import Case, Finding, Found, Inconclusive, NotApplicable, Outcome, Severity, Verdict
from holdfast_attack.play.lane import LanePlay
from holdfast_attack.play.probe import Probe
from holdfast_attack.target.launch import CannotStart

FINDINGS = 20
"""Findings of one case that are kept."""


async def judged(case: Case, lane: LanePlay) -> Outcome:
    """Play it within its deadline; afterwards the shared session must still answer."""
    begun = time.monotonic()
    outcome = await _played(case, lane, begun)
    if not case.own and outcome.verdict is not Verdict.NOT_APPLICABLE and not await lane.still_there():
        died = Finding("after this the server answered no honest request any more")
        outcome = _failed(outcome, (*outcome.findings, died))
    return replace(outcome, seconds=time.monotonic() - begun)


async def _played(case: Case, lane: LanePlay, begun: float) -> Outcome:
    outcome = Outcome(case, lane.lane, Verdict.PASSED)
    if lane.left <= 1.0:
        return replace(outcome, verdict=Verdict.INCONCLUSIVE, why="the time of the whole run was over")
    probe: Probe | None = None
    try:
        async with asyncio.timeout(min(case.seconds, lane.left)) as timeout:
            probe = Probe(case, lane, timeout)
            attempts = await case.play(probe)
    except Found as found:
        return _failed(outcome, _with_evidence(found.findings, probe))
    except Gone as gone:
        return _failed(outcome, _with_evidence((Finding(f"the server went away: {gone}"),), probe))
    except Exception as error:  # boundary: a mistake in a case must not look like a verdict, nor end the run
        verdict = Verdict.NOT_APPLICABLE if isinstance(error, NotApplicable) else Verdict.INCONCLUSIVE
        return replace(outcome, verdict=verdict, why=_why(error, time.monotonic() - begun))
    if not attempts:
        return replace(outcome, verdict=Verdict.NOT_APPLICABLE, why="there was nothing to try it on")
    return replace(outcome, attempts=attempts)


def _why(error: Exception, spent: float) -> str:
    """Why a case has no verdict of its own."""
    if isinstance(error, NotApplicable | Inconclusive):
        return str(error)
    if isinstance(error, CannotStart):
        return f"the server did not start again: {error}"
    if isinstance(error, TimeoutError):
        return f"not done after {spent:.0f} s, which is its deadline"
    return f"the case itself failed ({type(error).__name__}: {str(error)[:200]}); please report this"


def _failed(outcome: Outcome, findings: tuple[Finding, ...]) -> Outcome:
    verdict = Verdict.ADVICE if outcome.case.severity is Severity.ADVICE else Verdict.FAILED
    return replace(outcome, verdict=verdict, why=findings[0].what, findings=findings[:FINDINGS])


def _with_evidence(findings: tuple[Finding, ...], probe: Probe | None) -> tuple[Finding, ...]:
    """The bytes of the session that was used last, where the case gave none."""
    if probe is None or not probe.sessions:
        return findings
    transcript = probe.sessions[-1].transcript
    return tuple(
        finding if finding.sent or finding.got else replace(finding, sent=transcript.sent, got=transcript.got)
        for finding in findings
    )
