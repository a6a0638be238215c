"""Progress that nobody has asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import MOMENT
from holdfast_attack.model import Case, Found, NotApplicable, Severity
from holdfast_attack.model.case import STDIO, spec

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

MOST = 12
"""Tools that are called."""
WITHIN = 10.0


async def unasked(probe: Probe) -> int:
    """Calls without a token: no progress may come, as there is nothing that it could belong to."""
    session = await probe.stdio()
    worked = [name for name, honest in probe.honest.items() if honest.worked and honest.reply.seconds < 1][:MOST]
    if not worked:
        raise NotApplicable("no tool could be called honestly")
    for name in worked:
        session.mark()
        await session.call(name, probe.honest[name].arguments, within=WITHIN)
        heard = await session.wait(lambda message: message.get("method") == "notifications/progress", MOMENT / 4)
        if heard is not None:
            raise Found("progress for a call that gave no token", tool=name, got=heard.raw)
    return len(worked)


CASES = (
    Case(
        id="wire.progress-unasked",
        title="Calls that ask for no progress",
        severity=Severity.LOW,
        sends="honest calls without a progressToken",
        sound="sends no notifications/progress for them",
        reference=spec("MCP 2025-11-25, Progress: notifications MUST only reference tokens of an active request"),
        remedy="send progress only where _meta.progressToken was given, and with that token",
        play=unasked,
        transports=STDIO,
        seconds=60.0,
    ),
)
