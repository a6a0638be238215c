"""What a call that fails costs: an error is answered for about as little as a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast_attack.cases.load.volley import FAILING, failing_call, tree_of
from holdfast_attack.link.messages import encoded
from holdfast_attack.model import Case, Finding, FoundSeveral, Severity
from holdfast_attack.model.case import measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

TIMES = 3
MOST = 0.25
"""Seconds of processor for one call that fails; sound servers take milliseconds, and a small program that they start
takes some ten. By its processor time a busy machine does not count."""
WITHIN = 10.0
TOOLS, ENOUGH = 20, 2
"""Tools that are looked at, and findings after which no more are."""


async def _failing(probe: Probe) -> int:
    session = await probe.session()
    tree = tree_of(session)
    findings: list[Finding] = []
    number = 0
    for name, arguments in _calls(probe):
        spent = await _spent(session, tree, name, arguments)
        number += spent is not None
        if spent is not None and spent > MOST:
            sent = encoded({"method": "tools/call", "params": {"name": name, "arguments": arguments}})
            what = f"{FAILING} take {spent:.2f} s of processor each: {1 / spent:.0f} of them in a second keep one busy"
            findings.append(Finding(what, name, sent))
            if len(findings) == ENOUGH:
                break
    if findings:
        raise FoundSeveral(tuple(findings))
    return number


def _calls(probe: Probe) -> Iterator[tuple[str, dict[str, Any]]]:
    for tool in probe.tools.callable(probe.allow_writes)[:TOOLS]:
        honest = probe.honest.get(tool.name)
        failing = failing_call(probe, tool) if honest is not None and honest.worked else None
        if failing is not None:
            yield tool.name, failing


async def _spent(session: Session, tree: Tree, name: str, arguments: dict[str, Any]) -> float | None:
    """Seconds of processor for one call; None where it does not fail, or by a limit. The first one is not counted."""
    if not (await session.call(name, arguments, within=WITHIN)).failed:
        return None
    before = tree.cpu()
    for _ in range(TIMES):
        reply = await session.call(name, arguments, within=WITHIN)
        if reply.limited or not (reply.failed or reply.silent):
            return None
    after = tree.cpu()
    return sum(used - before.get(pid, used) for pid, used in after.items()) / TIMES


CASES = (
    Case(
        id="load.failing",
        title="A call that fails is no more work than one that does not",
        severity=Severity.MEDIUM,
        sends="calls of each tool with valid arguments that name what is not there",
        sound=f"answers each with an error for less than {MOST:g} s of processor",
        reference=measured(
            "each exception in a tool of the SDK's MCPServer 2.3 is printed by rich with all of its frames: 0.8 s of "
            "processor on the event loop, so that two failing calls in a second stop everybody"
        ),
        remedy="log an exception in a few lines, off the event loop, and bound how often; no rendered tracebacks",
        play=_failing,
        early=True,
        seconds=90.0,
    ),
)
