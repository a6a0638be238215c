"""While one call takes long, everybody else is answered: one slow call, and very many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast_attack.cases.time.slow import (
    Ask,
    Slow,
    finding,
    held_up,
    neighbours,
    patience,
    sleepers,
    slow_calls,
    under_way,
    verdict,
    was_slow,
)
from holdfast_attack.model import Finding, Severity
from holdfast_attack.model.case import alone, measured

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe

LEAST = 1.0
"""Seconds that a neighbour may take on an idle machine: a sound server needs milliseconds."""
ENOUGH = 12.0
"""Seconds that are needed for one more tool; what was found by then is told in any case."""
GRACE = 5.0
"""Seconds after its own time in which a slow call may still be answered."""
JUDGED = 1.0
"""Seconds after which a call that has an answer was not slow."""
SLEEPING = 48
"""Calls at once: more than the 40 threads that AnyIO has, and Python's 32 at most."""
LASTING = 10.0
SOON = 2.0
ROUNDS = 2
"""A request must be held up so many times in a row before a server is blamed: once may be the machine's fault."""


async def _neighbours(probe: Probe) -> int:
    slow = slow_calls(probe, 4 * LEAST, 8 if probe.full else 4)
    findings: list[Finding] = []
    tried = 0
    async with probe.fresh() as session:
        for one in slow:
            if probe.left < ENOUGH:
                break
            asks = neighbours(probe, one.tool)
            within = await patience(session, asks, LEAST)
            was, held = await _beside_one(session, one, asks, within)
            tried += was
            if held is not None:
                findings.append(
                    finding(one, f"while one call of it runs, {held.name} is not answered ({within:.2g} s)")
                )
                if not await session.alive():
                    break  # it is busy for ever: what is asked for after this would be held up by it, too
    return verdict(findings, tried)


async def _beside_one(session: Session, slow: Slow, asks: tuple[Ask, ...], within: float) -> tuple[bool, Ask | None]:
    """Whether the call was slow, and who was held up by it, each time."""
    was, held = False, None
    for _ in range(ROUNDS):
        begun = asyncio.get_running_loop().time()
        async with under_way(session, [slow], slow.seconds + GRACE) as tasks:
            held = await held_up(session, asks, within)
            await asyncio.sleep(max(0.0, begun + JUDGED - asyncio.get_running_loop().time()))
            was = was or held is not None or was_slow(tasks)
            if held is not None:
                await asyncio.wait(tasks, timeout=min(slow.seconds, 4 * LEAST) + GRACE)
        if held is None:
            break
    return was, held


async def _many(probe: Probe) -> int:
    slow = sleepers(probe, LASTING, 8 if probe.full else 4)
    findings: list[Finding] = []
    tried = 0
    for one in slow:
        if probe.left < 2 * ENOUGH:
            break
        asks = tuple(reversed(neighbours(probe, one.tool)))  # another tool first: the list may need no thread
        async with probe.fresh() as session:
            within = await patience(session, asks, SOON)
            async with under_way(session, [one] * SLEEPING, LASTING + GRACE) as tasks:
                held = [await held_up(session, asks, within) for _ in range(ROUNDS)]
                tried += was_slow(tasks)
        if all(held):
            name = held[0].name if held[0] is not None else ""
            what = f"while {SLEEPING} calls of it run, {name} is not answered ({within:.2g} s)"
            findings.append(finding(one, what))
    return verdict(findings, tried)


CASES = (
    alone(
        id="time.neighbours",
        title="One slow call holds up nobody else",
        severity=Severity.HIGH,
        sends="a call that takes some seconds (it says how long, or is a statement without an end), and meanwhile a "
        "ping, a list of the tools and a call of another tool",
        sound="answers the others as quickly as before; the limit is 1 s or twenty times what they took before it",
        reference=measured(
            "one time.sleep in an async handler blocks the whole loop of the bare SDK 2.3 and of FastMCP 4.1: neither "
            "a ping nor a cancellation nor the end of the input is seen until it is over"
        ),
        remedy="never block the event loop: await, or hand blocking work to threads or processes with a deadline; "
        "watch the loop's lag",
        play=_neighbours,
        seconds=45.0,
    ),
    alone(
        id="time.many-sleeping",
        title="Many slow calls of one tool hold up no other tool",
        severity=Severity.HIGH,
        sends=f"{SLEEPING} calls of one tool that take {LASTING:g} s each, and meanwhile a call of another tool",
        sound=f"answers the other tool within {SOON:g} s; to refuse some of the many at once is sound as well",
        reference=measured(
            "39 sleeping sync tools stop the SDK 2.3 and FastMCP 4.1 over stdio, pings included (8 s): tools, stdin "
            "and stdout share AnyIO's 40 threads"
        ),
        remedy="give blocking tools a pool of their own and bound how many calls of one tool run at once; refuse the "
        "rest with a hint when to come again",
        play=_many,
        seconds=60.0,
    ),
)
