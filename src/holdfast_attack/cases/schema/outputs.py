"""Plays what a tool gives against its output schema, and looks where its schemas point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast_attack.cases.schema.answers import finding
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Finding, FoundSeveral, NotApplicable
from holdfast_attack.tools import Checker, Role, Tool, foreign
from holdfast_attack.tools.edges import edges

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

SINCE: Final = "2025-06-18"
"""The first version of the protocol with structured results."""
WITHIN = 15.0
MORE = {False: 3, True: 10}
"""Further calls of each tool, in the quick profile and the full one."""
_HELD: Final = frozenset(Role) - {Role.OTHER, Role.COUNT, Role.TEXT}


async def output(probe: Probe) -> int:
    """Structured results conform to the output schema."""
    if probe.lane.version < SINCE:
        raise NotApplicable(f"results have no structure before {SINCE}")
    number = 0
    found: list[Finding] = []
    for tool in probe.tools.callable(probe.allow_writes):
        honest = probe.honest.get(tool.name)
        checker = Checker(dict(tool.output_schema)) if tool.output_schema is not None else None
        if honest is None or not honest.worked or checker is None or not checker.usable:
            continue
        for arguments, reply in [(honest.arguments, honest.reply), *await _more(probe, tool, honest.arguments)]:
            number += 1
            what = _misfit(checker, reply)
            if what is not None:
                found.append(finding(what, tool.name, arguments, reply))
                break
    if found:
        raise FoundSeveral(tuple(found[:10]))
    if not number:
        raise NotApplicable("no tool with an output schema gave a result to an honest call")
    return number


async def _more(probe: Probe, tool: Tool, right: dict[str, Any]) -> list[tuple[dict[str, Any], Reply]]:
    """Results for other valid arguments too: noughts first, which are divided by."""
    answered = []
    tried = sorted(edges(tool, right, _HELD), key=lambda each: 0 not in each.values())
    for arguments in tried[: MORE[probe.full]]:
        if probe.left > WITHIN + 1:
            answered.append((arguments, await probe.call(tool.name, arguments, within=WITHIN)))
    return answered


def _misfit(checker: Checker, reply: Reply) -> str | None:
    result = reply.result
    if result is None or reply.failed or result.get("resultType", "complete") != "complete":
        return None
    if "structuredContent" not in result:
        return "the tool has an output schema, and its result no structuredContent"
    if checker.accepts(result["structuredContent"]) is False:
        return "the structuredContent of the result does not fit the tool's output schema"
    return None


async def remote_reference(probe: Probe) -> int:
    """No schema points out of itself."""
    found = []
    for tool in probe.tools.tools:
        for name, schema in (("input", tool.schema), ("output", tool.output_schema)):
            elsewhere = foreign(schema)
            if elsewhere:
                found.append(Finding(f"its {name} schema points to {elsewhere[0][:200]!r}", tool.name))
    if found:
        raise FoundSeveral(tuple(found[:10]))
    return len(probe.tools.tools)
