"""Plays a class of cases on a server without any guard, and on one that refuses: what must be found, and what not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast_attack.cases.paths import special
from holdfast_attack.model import Outcome, Report, Verdict
from holdfast_attack.play import Plan, attack

NAIVE = str(Path(__file__).with_name("naive.py"))
FOUND = {Verdict.FAILED, Verdict.ADVICE}


def played(*only: str, words: tuple[str, ...] = (), **options: object) -> Mapping[str, Outcome]:
    """The outcome of each case by its id; calls that hang are waited for four seconds."""
    settings = {"only": only, "allow_writes": True, "call_deadline": 4.0, "here": Path.cwd()} | options
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(special, "WAIT", 3.0)
        report: Report = asyncio.run(attack(Plan.of([sys.executable, NAIVE, *words], **settings)))
    return {outcome.case.id: outcome for outcome in report.outcomes}


def found(outcome: Outcome) -> str:
    """What was found; fails the test when nothing was."""
    assert outcome.verdict in FOUND, f"{outcome.case.id}: {outcome.verdict} {outcome.why}"
    assert outcome.findings
    return outcome.findings[0].what


def not_found(outcome: Outcome) -> None:
    """Fails the test when something was found, or a case could not be judged."""
    fine = {Verdict.PASSED, Verdict.NOT_APPLICABLE}
    assert outcome.verdict in fine, f"{outcome.case.id}: {outcome.verdict} {outcome.why}"
