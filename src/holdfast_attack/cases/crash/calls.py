"""Valid calls after which there is no server any more: none is needed to kill it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast_attack.cases.crash.killing import HONEST, needs_own
from holdfast_attack.cases.fresh import one_by_one
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Finding, NotApplicable, Severity
from holdfast_attack.model.case import alone, measured
from holdfast_attack.tools import honest

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.tools import Tool

MOST: Final = 100
ENOUGH: Final = 12.0
"""Seconds that are needed for one more tool that does not answer."""


async def _calls(probe: Probe) -> int:
    needs_own(probe)
    tools = probe.tools.callable(probe.allow_writes)[:MOST]
    if not tools:
        raise NotApplicable("no tool may be called (--allow-writes calls those that may change something)")
    return await one_by_one(probe, tools, _one, ENOUGH)


async def _one(probe: Probe, session: Session, tool: Tool) -> Finding | None:
    known = probe.honest.get(tool.name)
    arguments = honest(tool, probe.arena.world) if known is None else known.arguments
    sent = encoded({"method": "tools/call", "params": {"name": tool.name, "arguments": arguments}})
    try:
        reply = await session.call(tool.name, arguments, within=min(HONEST, probe.left - 2))
        if reply.silent and not await session.alive():
            return Finding("a valid call has no answer, and nobody gets one after it", tool.name, sent)
    except Gone as gone:
        return Finding(f"the server went away over a valid call: {gone}", tool.name, sent)
    return None


CASES = (
    alone(
        id="crash.call",
        title="A valid call does not end the server",
        severity=Severity.CRITICAL,
        sends="one call of each tool with arguments that its schema allows",
        sound="answers, or refuses; and answers others afterwards",
        reference=measured("sys.exit and an unhandled error in a tool end some servers, with every other call in them"),
        remedy="catch BaseException around each call but for cancellation (argparse: override error); take no "
        "lock twice in one call",
        play=_calls,
        seconds=90.0,
        beside=False,
        early=True,
    ),
)
