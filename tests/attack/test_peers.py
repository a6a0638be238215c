"""`holdfast attack` finds the holes that were measured in the bare SDK and in FastMCP, each by the case meant for it.

``SOAK=1`` plays the full profile and looks at those too that only it can find.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from attack.peers.holes import FASTMCP, HOLES, HTTP, TIMED, Hole
from support.soaking import LONG

from holdfast_attack.cases import all_cases
from holdfast_attack.model import Outcome, Profile, Severity, Verdict
from holdfast_attack.play import Plan, attack

HERE = Path(__file__).resolve().parent
FASTMCP_PYTHON = HERE.parents[1] / ".cache" / "judges" / "fastmcp" / "bin" / "python"
SEEN = [hole for hole in HOLES if hole.case and (LONG or not hole.long)]
Judge = Callable[[Hole], list[Outcome]]


def python(server: str) -> str:
    """The interpreter of a server. FastMCP has an environment of its own, without which CI fails."""
    if server not in (FASTMCP, TIMED):
        return sys.executable
    if not FASTMCP_PYTHON.exists():
        why = "no FastMCP here: .ci/venv .cache/judges/fastmcp .ci/judges/clients/fastmcp.lock"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return str(FASTMCP_PYTHON)


def together(hole: Hole) -> tuple[object, ...]:
    """What holes have in common that one run can look for."""
    return hole.server, hole.transport, hole.version, hole.deadline


def played(hole: Hole, cases: Iterable[str]) -> list[Outcome]:
    words = [python(hole.server), str(HERE / "peers" / f"{hole.server}.py")]
    more = {} if hole.deadline is None else {"call_deadline": hole.deadline}
    url = None
    if hole.transport == HTTP:
        words, url = [*words, "http", "{port}"], "http://127.0.0.1:{port}/mcp"
    profile = Profile.FULL if LONG else Profile.QUICK
    plan = Plan.of(words, url=url, only=tuple(cases), versions=(hole.version,), seed=1, profile=profile, **more)
    return list(asyncio.run(attack(plan)).outcomes)


@pytest.fixture(scope="module")
def judge() -> Judge:
    """One run for all holes of a server on a lane: each start of a server takes two seconds."""
    done: dict[tuple[object, ...], list[Outcome]] = {}

    def judge(hole: Hole) -> list[Outcome]:
        key = together(hole)
        if key not in done:
            done[key] = played(hole, sorted({each.case for each in SEEN if together(each) == key}))
        return [outcome for outcome in done[key] if outcome.case.id == hole.case]

    return judge


@pytest.mark.parametrize("hole", SEEN, ids=[hole.name for hole in SEEN])
def test_the_hole_is_found(hole: Hole, judge: Judge) -> None:
    outcomes = judge(hole)
    assert outcomes, f"{hole.case} was not played"
    for outcome in outcomes:
        advice = outcome.case.severity is Severity.ADVICE  # taste: told, and no failure
        assert outcome.verdict is (Verdict.ADVICE if advice else Verdict.FAILED), f"{hole.does}: {outcome.why}"
        assert any(hole.shows in f"{each.tool} {each.what}" for each in outcome.findings), outcome.findings


def test_every_hole_names_a_case_of_the_catalogue_or_says_why_none_can_see_it() -> None:
    known = {case.id for case in all_cases()}
    assert [hole.does for hole in HOLES if bool(hole.case) == bool(hole.blind)] == []
    assert [hole.case for hole in HOLES if hole.case and hole.case not in known] == []


def test_no_hole_is_told_of_twice() -> None:
    assert len({(hole.name, hole.does, hole.deadline) for hole in HOLES}) == len(HOLES)
    names = [hole.name for hole in SEEN]
    assert len(set(names)) == len(names)
