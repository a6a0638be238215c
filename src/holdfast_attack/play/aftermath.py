"""After each class of cases: an honest call of each tool must still do what it did before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.link.reply import Reply
from holdfast_attack.model import (
    Case,
    Eras,
    Finding,
    FoundSeveral,
    Kind,
    Lane,
    NotApplicable,
    Outcome,
    Severity,
    Verdict,
)
from holdfast_attack.model.case import measured

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

PATIENCE = 10.0
INTERNAL_ERROR = -32603
"""JSON-RPC 2.0, section 5.1."""


async def play(probe: Probe) -> int:
    """Fails for each tool that worked when the lane began and does not any more.

    A tool that may change things need only answer: what it is asked to make may be there already, and what it is asked
    to change may be gone, since it was called before.
    """
    worked = [name for name, honest in probe.honest.items() if honest.worked]
    if not worked:
        raise NotApplicable("no tool could be called honestly (without --allow-writes only read-only tools are)")
    broken = []
    for name in worked:
        first = probe.honest[name]
        within = max(PATIENCE, 2 * first.reply.seconds)  # some are there to wait
        reply = await probe.call(name, first.arguments, within=within)
        what = _what(reply, within, repeats=_repeats(probe, name))
        if what is not None:
            broken.append(Finding(what, name, got=reply.raw))
    if broken:
        raise FoundSeveral(tuple(broken))
    return len(worked)


def _repeats(probe: Probe, name: str) -> bool:
    """Whether the tool says that a second call does what the first one did."""
    tool = probe.tools.get(name)
    return tool is not None and (tool.promises or tool.annotations.get("idempotentHint") is True)


def _what(reply: Reply, within: float, *, repeats: bool) -> str | None:
    if reply.silent:
        return f"an honest call is not answered any more ({within:.3g} s)"
    if reply.code == INTERNAL_ERROR or (repeats and reply.failed):
        return "an honest call that worked before now fails"
    return None


def is_aftermath(case: Case) -> bool:
    """Whether a case is one of these."""
    return case.play is play


def untried(case: Case, lane: Lane) -> Outcome:
    """What comes of one after a class of which nothing was there to be tried: nothing can have been broken."""
    return Outcome(case, lane, Verdict.NOT_APPLICABLE, "nothing of this class could be tried")


def aftermath(kind: Kind) -> Case:
    """The case for one class."""
    return Case(
        id=f"{kind}.aftermath",
        title=f"Honest calls still work after the cases of the class {kind}",
        severity=Severity.HIGH,
        eras=Eras.EACH,
        seconds=60.0,
        sends="the same valid call of each tool as at the beginning",
        sound="answers as it did at the beginning",
        reference=measured("servers that were only half broken by a hostile call kept failing honest ones"),
        remedy="look at what the cases before it have left: a held lock, a full queue, a dead worker, a broken file",
        play=play,
    )
