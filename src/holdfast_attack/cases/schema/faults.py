"""Plays the cases that violate input schemas, one way each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from holdfast_attack.cases.schema.answers import finding, taken
from holdfast_attack.cases.schema.bases import FEW, Base, bases, share
from holdfast_attack.model import Finding, FoundSeveral, Inconclusive, NotApplicable
from holdfast_attack.model.case import Play
from holdfast_attack.tools.violations import violations
from holdfast_attack.tools.wrong import Fault

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

WITHIN = 15.0
"""Seconds for one call: refusing takes milliseconds, a loaded machine takes its time."""
SILENT = 2
"""Calls without an answer after which nothing more is tried."""
MOST = 10
"""Findings of one case."""
SHAPES: Final = (
    ("a list", ["holdfast", "attack"]),
    ("a text", "holdfast"),
    ("a number", 7),
    ("true", True),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that a sound server refuses."""

    base: Base
    what: str
    place: str
    """The parameter; once it was found wanting, nothing more is tried on it."""
    arguments: Any = field(repr=False)


def violating(fault: Fault) -> Play:
    """What plays the case of one kind of violation."""

    async def play(probe: Probe) -> int:
        return await _refused(probe, islice(_violations(probe, fault), 2_000))

    return play


async def shape(probe: Probe) -> int:
    """The arguments themselves are no object."""
    return await _refused(probe, _shapes(probe))


def _violations(probe: Probe, fault: Fault) -> Iterator[Attempt]:
    tools = 0
    every = list(bases(probe))
    for base in every:
        if tools >= FEW and not probe.full:
            return
        found = violations(base.tool, base.arguments, probe.random, probe.full, fault)
        fit = [violation for violation in found if base.may_be_sent(violation)]
        tools += bool(fit)
        for violation in fit if probe.full else fit[: share(len(every))]:
            yield Attempt(base, violation.what, violation.parameter, violation.arguments)


def _shapes(probe: Probe) -> Iterator[Attempt]:
    every = [base for base in bases(probe) if not base.careful]
    for base in every if probe.full else every[:FEW]:
        for what, value in SHAPES if probe.full else SHAPES[: share(len(every))]:
            yield Attempt(base, f"{what} in place of the arguments", "", value)


async def _refused(probe: Probe, attempts: Iterator[Attempt]) -> int:
    """Each must be refused; the number of attempts. Raises ``FoundSeveral``, ``Inconclusive``, ``NotApplicable``."""
    found: dict[tuple[str, str], Finding] = {}
    number = silent = 0
    conclusive = False
    for attempt in attempts:
        place = (attempt.base.tool.name, attempt.place)
        if place in found:
            continue
        if probe.left < WITHIN + 1 or silent >= SILENT or len(found) >= MOST:
            break
        reply = await probe.call(attempt.base.tool.name, attempt.arguments, within=WITHIN)
        number += 1
        silent += reply.silent
        conclusive = conclusive or attempt.base.tells(reply)
        what = taken(reply, WITHIN)
        if what is not None:
            found[place] = finding(f"{attempt.what}: {what}", attempt.base.tool.name, attempt.arguments, reply)
    if found:
        raise FoundSeveral(tuple(found.values()))
    if not number:
        raise NotApplicable("no tool has a schema that this would violate, and arguments to try it with")
    if not conclusive:
        raise Inconclusive("honest calls of these tools meet the same refusal, so that it says nothing")
    return number
