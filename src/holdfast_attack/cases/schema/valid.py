"""Plays valid inputs: whatever a schema allows, a tool may fail but must not break."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdfast_attack.cases.schema.answers import broken, finding
from holdfast_attack.cases.schema.bases import FEW
from holdfast_attack.model import Finding, FoundSeveral, NotApplicable
from holdfast_attack.tools import Checker, Role, Tool
from holdfast_attack.tools.edges import edges
from holdfast_attack.tools.generated import generated_for

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

MANY = 40
"""Inputs of each tool that hypothesis makes up in a full run."""
CALLS = 14
"""In a quick run, shared out among the tools; for each at least two. An error takes some servers a second: the
official SDK paints a traceback for its log [measured].
"""
MAKING = 25.0
"""Seconds for all inputs to be made up; one second is usual."""
SILENT = 2
"""Calls without an answer after which nothing more is tried."""
MOST = 10
"""Findings of one case."""
_REACHES_OUT: Final = frozenset({Role.URL, Role.COMMAND, Role.DURATION})
_CHANGES: Final = _REACHES_OUT | {Role.PATH, Role.FOLDER, Role.SQL, Role.ARGUMENT}
Call: TypeAlias = tuple[Tool, dict[str, Any]]


async def at_the_edges(probe: Probe) -> int:
    """Least, greatest, shortest, longest, none, all."""
    tools = _tools(probe)
    inputs = []
    for tool in tools:
        found = edges(tool, probe.honest[tool.name].arguments, _held(tool))
        inputs.append([(tool, arguments) for arguments in (found if probe.full else found[: _share(tools)])])
    return await _answered(probe, _in_turns(inputs))


async def made_up(probe: Probe) -> int:
    """What hypothesis makes up."""
    tools = _tools(probe)
    count = MANY if probe.full else _share(tools)
    schemas = [tool.schema for tool in tools]
    made = await generated_for(schemas, count, probe.random.randrange(2**31), MAKING)
    if not any(made.inputs):
        raise NotApplicable(made.why or "nothing could be made up for these schemas")
    inputs = [
        [(tool, arguments) for arguments in _tamed(probe, tool, each)]
        for tool, each in zip(tools, made.inputs, strict=True)
    ]
    return await _answered(probe, _in_turns(inputs))


def _tools(probe: Probe) -> list[Tool]:
    """Those that may be called with valid arguments, and for which it is sure what is valid."""
    tools = [tool for tool in probe.tools.callable(probe.allow_writes) if _is_tried(probe, tool)]
    if not tools:
        raise NotApplicable("no tool may be called with valid arguments (without --allow-writes only read-only ones)")
    return tools if probe.full else probe.random.sample(tools, min(FEW, len(tools)))


def _is_tried(probe: Probe, tool: Tool) -> bool:
    """Not what only waits for an address that it does not reach."""
    honest = probe.honest.get(tool.name)
    if honest is None or (not honest.worked and tool.with_role(*_REACHES_OUT)):
        return False
    return Checker(dict(tool.schema)).accepts(honest.arguments) is True


def _share(tools: Sequence[Tool]) -> int:
    return max(2, CALLS // len(tools))


def _held(tool: Tool) -> frozenset[Role]:
    """Roles that keep their honest value: made-up addresses are somebody's, and a made-up delay is a long one."""
    return _REACHES_OUT if tool.read_only else _CHANGES


def _tamed(probe: Probe, tool: Tool, made: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was made up, with the honest values in the parameters that reach out; such as is still valid."""
    held = {parameter.name for parameter in tool.with_role(*_held(tool))}
    honest = {name: value for name, value in probe.honest[tool.name].arguments.items() if name in held}
    checker = Checker(dict(tool.schema))
    tamed = [{**{name: value for name, value in each.items() if name not in held}, **honest} for each in made]
    return [each for number, each in enumerate(tamed) if each not in tamed[:number] and checker.accepts(each)]


def _in_turns(inputs: Sequence[Sequence[Call]]) -> list[Call]:
    """One of each tool, then the next of each: where the time ends, every tool has had some."""
    return [each for turn in zip_longest(*inputs) for each in turn if each is not None]


async def _answered(probe: Probe, calls: Iterable[Call]) -> int:
    """An error of the tool is sound; silence, an internal error and the end of the server are not."""
    number = silent = 0
    found: list[Finding] = []
    for tool, arguments in calls:
        if probe.left < probe.call_deadline + 1 or silent >= SILENT or len(found) >= MOST:
            break
        reply = await probe.call(tool.name, arguments, within=probe.call_deadline)
        number += 1
        silent += reply.silent
        what = broken(reply, probe.call_deadline)
        if what is not None:
            found.append(finding(f"valid arguments: {what}", tool.name, arguments, reply))
    if found:
        raise FoundSeveral(tuple(found))
    return number
