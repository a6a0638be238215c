"""Calls that take long because they are asked to, and the requests beside them that must not have to wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from holdfast_attack.link.messages import encoded, is_modern
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Finding, FoundSeveral, Inconclusive, NotApplicable
from holdfast_attack.tools import Parameter, Role, Tool, conforms
from holdfast_attack.tools.roles import types_of

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
"""A statement that every SQL database with recursion computes until somebody stops it."""
QUICK = 0.5
"""Seconds; a tool whose honest call took longer is no measure of whether others are held up."""
ANSWERING = 0.25
"""Seconds after which a call that is no slow one at all has an answer, and a slow one is at work."""
BEFORE = 3
"""Times that each neighbour is asked before anything slow is under way."""
LEAST = 1.0
"""Seconds that a neighbour may take at least."""
STOPPING = 2.0
LOOKING = 1.0
BUSY = 0.05
"""Of a processor, which it may have to share."""
UNITS = (
    ({"ms", "milli", "millis", "millisecond", "milliseconds", "msec", "msecs"}, 0.001),
    ({"minute", "minutes", "min", "mins"}, 60.0),
    ({"hour", "hours"}, 3600.0),
)


@dataclass(frozen=True, slots=True)
class Slow:
    """A call that should take ``seconds``; infinite for work without an end."""

    tool: str
    arguments: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that any client may make at any time."""

    name: str
    method: str
    params: Mapping[str, Any] | None = None


def sleepers(probe: Probe, seconds: float, most: int) -> tuple[Slow, ...]:
    """One call for each tool that can be told how long to take, of so many seconds. Raises ``NotApplicable``."""
    found: dict[str, Slow] = {}
    for tool, parameter in probe.tools.with_role(Role.DURATION, allow_writes=probe.allow_writes):
        slow = _told(probe, tool, parameter, seconds)
        if slow is not None and tool.name not in found:
            found[tool.name] = slow
    if not found:
        raise NotApplicable(f"no tool that may be called can be told to take {seconds:g} seconds")
    return tuple(found.values())[:most]


def slow_calls(probe: Probe, seconds: float, most: int) -> tuple[Slow, ...]:
    """The same, with tools that take SQL and can so be given work without an end. Raises ``NotApplicable``."""
    try:
        told = sleepers(probe, seconds, most)
    except NotApplicable:
        told = ()
    worked = [
        Slow(tool.name, parameter.put(probe.honest[tool.name].arguments, ENDLESS), math.inf)
        for tool, parameter in probe.tools.with_role(Role.SQL, allow_writes=probe.allow_writes)
        if _works(probe, tool)
    ]
    if not told and not worked:
        raise NotApplicable("no tool that may be called can be told how long to take, and none takes SQL")
    return (*told, *worked)[:most]


def _told(probe: Probe, tool: Tool, parameter: Parameter, seconds: float) -> Slow | None:
    """None where the tool's own schema does not allow it to take so long, or where it does not work."""
    if not _works(probe, tool):
        return None
    unit = unit_of(parameter)
    value: float = math.ceil(seconds / unit) if "number" not in types_of(parameter.schema) else seconds / unit
    highest = min(_highest(parameter.schema), default=math.inf)
    arguments = parameter.put(probe.honest[tool.name].arguments, value)
    if value > highest or conforms(tool.schema, arguments) is False:
        return None
    return Slow(tool.name, arguments, value * unit)


def unit_of(parameter: Parameter) -> float:
    """Seconds that 1 means: told from the end of the name, then from the description; a second when nothing tells."""
    description = parameter.schema.get("description")
    told = description.lower().split() if isinstance(description, str) else []
    last = parameter.name.replace("-", "_").rpartition("_")[2]
    for words, seconds in UNITS:
        if last.lower() in words or (seconds < 1 and last.endswith(("Ms", "Millis", "Milliseconds"))):
            return seconds
    long = {word.strip(".,;()") for word in told}
    return next((seconds for words, seconds in UNITS if long & {word for word in words if len(word) > 4}), 1.0)


def _highest(schema: Mapping[str, Any]) -> Iterator[float]:
    """The bounds from above, also of branches."""
    for name in ("maximum", "exclusiveMaximum"):
        bound = schema.get(name)
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            yield bound
    for name in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(name)
        for branch in branches if isinstance(branches, list) else ():
            yield from _highest(branch) if isinstance(branch, dict) else ()


def _works(probe: Probe, tool: Tool) -> bool:
    honest = probe.honest.get(tool.name)
    return honest is not None and honest.worked


def neighbours(probe: Probe, but: str = "") -> tuple[Ask, ...]:
    """What must be answered meanwhile: the list of tools, a ping where there is one, and a tool other than ``but``."""
    asks = [Ask("tools/list", "tools/list")]
    if not is_modern(probe.lane.version):
        asks.append(Ask("ping", "ping"))
    slow = {tool.name for tool, _ in probe.tools.with_role(Role.DURATION, Role.SQL, allow_writes=True)}
    for name, honest in probe.honest.items():
        if honest.worked and honest.reply.seconds < QUICK and name not in slow and name != but:
            asks.append(Ask(f"the tool {name!r}", "tools/call", {"name": name, "arguments": honest.arguments}))
            break
    return tuple(asks)


async def patience(session: Session, asks: Sequence[Ask], least: float) -> float:
    """Seconds that a neighbour may take: twenty times what is usual now, but at least ``least`` and at most twice that.

    Raises ``Inconclusive`` when half of ``least`` is usual although nothing else is under way.
    """
    took: list[float] = []
    for _ in range(BEFORE):
        for ask in asks:
            took.append((await session.ask(ask.method, ask.params, within=2 * least)).seconds)
    usual = median(took)
    if usual > least / 2:
        raise Inconclusive(f"an honest request took {usual:.2g} s before anything slow was asked for")
    return min(max(least, 20 * usual), 2 * least)


async def held_up(session: Session, asks: Sequence[Ask], within: float) -> Ask | None:
    """The first request that has no answer in time; a refusal is an answer."""
    for ask in asks:
        reply = await session.ask(ask.method, ask.params, within=within)
        if reply.silent:
            return ask
    return None


@asynccontextmanager
async def under_way(
    session: Session, calls: Sequence[Slow], lasting: float
) -> AsyncIterator[list[asyncio.Task[Reply]]]:
    """The calls are sent and at work in the block; nobody waits for their answers after it."""
    tasks = [
        asyncio.create_task(session.call(call.tool, dict(call.arguments), within=lasting)) for call in calls
    ]  # bound: the caller's number of calls
    try:
        await asyncio.sleep(ANSWERING)
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def was_slow(tasks: Sequence[asyncio.Task[Reply]]) -> bool:
    """Whether it takes long: a call has no answer yet, or only that there are too many."""
    return any(not task.done() or (task.exception() is None and task.result().limited) for task in tasks)


async def first_held(probe: Probe, session: Session, slow: Sequence[Slow], what: str) -> Finding | None:
    """The first of some calls of one tool that is too much for it; ``what`` it is that keeps it busy."""
    asks = neighbours(probe, slow[0].tool)
    within = await patience(session, asks, LEAST)
    for one in slow:
        task = asyncio.create_task(session.call(one.tool, dict(one.arguments), within=3 * one.seconds))
        try:
            done, _ = await asyncio.wait({task}, timeout=one.seconds)
            if done:
                task.result()  # it may have gone away over it
                continue
            held = await held_up(session, asks, within)
            if held is not None:
                return finding(one, f"{what} keeps it busy, and {held.name} is not answered meanwhile")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(STOPPING)
        if session.tree is not None and await session.tree.busy(LOOKING) > BUSY:
            return finding(one, f"{STOPPING + LOOKING:g} s after its caller had left, it is still busy with {what}")
    return None


def finding(slow: Slow, what: str) -> Finding:
    """What is wrong with a tool, and the call that shows it."""
    params = {"name": slow.tool, "arguments": dict(slow.arguments)}
    return Finding(what, slow.tool, encoded({"method": "tools/call", "params": params}))


def verdict(findings: Sequence[Finding], tried: int) -> int:
    """Raises ``FoundSeveral``, or ``NotApplicable`` where nothing was slow; else the number of tries."""
    if findings:
        raise FoundSeveral(tuple(findings))
    if not tried:
        raise NotApplicable("no tool took as long as it was asked to")
    return tried


def needs_own(probe: Probe) -> None:
    """Raises ``NotApplicable`` for a server that was not started here: nobody could end what is begun in it."""
    if not probe.started:
        raise NotApplicable("what it leaves can only be ended with the server, and this one was not started here")
