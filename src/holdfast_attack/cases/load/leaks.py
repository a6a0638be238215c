"""Descriptors, processes and threads: what a call opens or starts is closed or ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from holdfast_attack.cases.load.volley import Kind, kinds, tree_of
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.messages import encoded
from holdfast_attack.model import Case, Finding, FoundSeveral, Inconclusive, Severity
from holdfast_attack.model.case import Play, measured

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

CALLS = {False: 6, True: 30}
"""Calls of one kind in one round, by whether the run may take long."""
SHARE = 0.75
"""Of them: what stays of so many, round after round, is no pool that fills up."""
ROUNDS = 2
SETTLING = 1.0
"""Seconds in which what a call held must be given back."""
LOOK = 0.02

Count = Callable[["Tree"], "int | None"]
_UNKNOWN = Kind("holdfast_attack_no_such_tool", "calls of a tool that there is not", lambda _number: {})


def _leaking(counted: Count, what: str) -> Play:
    async def play(probe: Probe) -> int:
        number = CALLS[probe.full]
        findings: list[Finding] = []
        session = await probe.session()
        those = (*await kinds(probe, session), _UNKNOWN)
        tree = tree_of(session)
        if counted(tree) is None:
            raise Inconclusive(f"the {what} of the server cannot be seen")
        for kind in those:
            left = await _worn(session, kind, number, lambda: counted(tree) or 0)
            if left:
                much = f"{left} {what} are left of {ROUNDS * number} {kind.name}"
                findings.append(Finding(much, kind.tool, encoded(kind.ask(0).params)))
        left = await _hung_up(session, number, lambda: counted(tree) or 0)
        if left:
            findings.append(Finding(f"{left} {what} are left of {ROUNDS * number} connections that broke off"))
        if findings:
            raise FoundSeveral(tuple(findings))
        return len(those) * number

    return play


async def _worn(session: Session, kind: Kind, number: int, counted: Callable[[], int]) -> int:
    """What is left after rounds of calls, when each of them left something; the first round is not judged."""
    readings: list[int] = []
    for turn in range(ROUNDS + 1):
        for call in range(number):
            ask = kind.ask(turn * number + call)
            await session.ask(ask.method, ask.params)
        readings.append(await _least(counted, readings))
    return _left(readings, number)


async def _hung_up(session: Session, number: int, counted: Callable[[], int]) -> int:
    """The same for connections over HTTP that are closed in the middle of a request."""
    if not isinstance(session, HttpSession):
        return 0
    readings: list[int] = []
    for _ in range(ROUNDS + 1):
        for _ in range(number):
            connection = await session.open()
            await connection.send(session.request_bytes("POST", b"{" * 100)[:-50])
            connection.close()
        readings.append(await _least(counted, readings))
    return _left(readings, number)


def _left(readings: list[int], number: int) -> int:
    steps = [after - before for before, after in pairwise(readings)]
    return sum(steps) if min(steps) >= SHARE * number else 0


async def _least(counted: Callable[[], int], before: Sequence[int]) -> int:
    """The least that is seen while what is under way ends; at once when it is hardly more than the last time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLING
    least = counted()
    while before and least > before[-1] + 1 and loop.time() < end:
        await asyncio.sleep(LOOK)
        least = min(least, counted())
    return least


def _case(name: str, what: str, severity: Severity, counted: Count, remedy: str) -> Case:
    return Case(
        id=f"load.{name}",
        title=f"Calls leave no {what} behind",
        severity=severity,
        sends=f"{ROUNDS + 1} rounds of {CALLS[False]} ({CALLS[True]}) calls of each tool, honest ones and such as "
        "fail; over HTTP also connections that break off in the middle of a request",
        sound=f"has as many {what} after each round as before, but for a few (a leak leaves three for every four "
        "calls, in each round)",
        reference=measured(
            "a system gives a process 1,024 descriptors, and a user some thousand processes and threads: a server that "
            "keeps one for each call ends in a day of work"
        ),
        remedy=remedy,
        play=_leaking(counted, what),
        seconds=60.0,
    )


CASES = (
    _case(
        "descriptors",
        "descriptors",
        Severity.HIGH,
        lambda tree: tree.descriptors(),
        "close what is opened also when the call fails or is cancelled (with, async with)",
    ),
    _case(
        "processes",
        "processes",
        Severity.HIGH,
        lambda tree: len(tree.look()) or None,
        "wait for every process that is started, and kill the whole group when its call ends before it",
    ),
    _case(
        "threads",
        "threads",
        Severity.HIGH,
        lambda tree: tree.threads(),
        "run blocking work in a pool that is bounded and lives as long as the server",
    ),
)
