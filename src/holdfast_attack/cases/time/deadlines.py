"""A call ends when its time is over: by a deadline of the server's, or because its client does not want it any more."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from holdfast_attack.cases.time.slow import (
    ANSWERING,
    Slow,
    finding,
    needs_own,
    sleepers,
    slow_calls,
    under_way,
    verdict,
)
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.messages import encoded, is_modern
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Finding, NotApplicable, Profile, Severity
from holdfast_attack.model.case import alone, measured, spec

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe

CANCELLED = 1.5
"""Seconds that a call which is to be cancelled would take."""
ENOUGH = 12.0
"""Seconds that are needed for one more tool; what was found by then is told in any case."""
STOPPING = 2.0
"""Seconds in which cancelled work must end."""
LOOKING = 1.0
BUSY = 0.05
"""Of a processor: more than this is still at work, even where it has to share it. One that waits uses a hundredth."""
SHORT = {False: 5.0, True: 60.0}
"""``--call-deadline`` up to which it is waited for, by whether the run may take long."""
FOREVER = 3600.0
ENDING = 5.0
"""Seconds, beside a quarter of the deadline, by which a call may end later."""
TIMES, GIVEN = 1.5, 0.75
"""A deadline that was promised is kept by so many times itself and so many seconds."""
BEYOND = 1.5
"""Seconds that a call would take longer than that."""
GRACE = 5.0
"""And that are waited for its answer."""


async def _cancelled(probe: Probe) -> int:
    slow = slow_calls(probe, CANCELLED, 8 if probe.full else 4)
    findings: list[Finding] = []
    tried = 0
    for one in slow:
        if probe.left < ENOUGH:
            break
        async with probe.fresh() as session:
            done = await (_cancel_endless if math.isinf(one.seconds) else _cancel)(session, one)
        if done is not None:
            tried += 1
            findings += [finding(one, done)] if done else []
    return verdict(findings, tried)


async def _cancel(session: Session, slow: Slow) -> str | None:
    """What is wrong, "" when nothing is; None: it was not slow, or nobody could tell."""
    number = f"cancel-{slow.tool}"
    params = {"name": slow.tool, "arguments": dict(slow.arguments)}
    begun = asyncio.get_running_loop().time()
    task = asyncio.create_task(session.ask("tools/call", params, within=slow.seconds + STOPPING, id=number))
    try:
        await asyncio.sleep(ANSWERING)
        if task.done() or not await _cancel_request(session, number):
            return None
        await asyncio.wait({task})
        reply = task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    late = asyncio.get_running_loop().time() - begun > slow.seconds * 0.75
    if late and reply.result is not None and not reply.failed:
        return f"a call that was cancelled after {ANSWERING:g} s ran to its end, and its result came after all"
    return ""


async def _cancel_request(session: Session, number: Any) -> bool:
    """Take a request back as the protocol has it; False where that only closes the connection."""
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}
    if isinstance(session, StdioSession):
        await session.write(encoded(message) + b"\n")
        return True
    if isinstance(session, HttpSession) and not is_modern(session.lane.version):
        await session.post(message, within=5.0)
        return True
    return False


async def _cancel_endless(session: Session, slow: Slow) -> str | None:
    """The same for work without an end: whether a processor is still busy with it."""
    tree = session.tree
    if tree is None:
        return None
    number = f"cancel-{slow.tool}"
    params = {"name": slow.tool, "arguments": dict(slow.arguments)}
    task = asyncio.create_task(session.ask("tools/call", params, within=FOREVER, id=number))
    try:
        await asyncio.wait({task}, timeout=2 * ANSWERING)
        if task.done():
            return None  # it is refused
        await _cancel_request(session, number)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(STOPPING)
    if await tree.busy(LOOKING) < BUSY:
        return ""
    return f"{STOPPING + LOOKING:g} s after a call was cancelled a processor is still busy with it"


async def _deadline(probe: Probe) -> int:
    needs_own(probe)
    within = probe.call_deadline * 1.25 + ENDING
    slow = slow_calls(probe, FOREVER, 4)
    said = await asyncio.gather(*(_ends(probe, one, within) for one in slow))
    return verdict([one for one in said if one is not None], len(slow))


async def _ends(probe: Probe, slow: Slow, within: float) -> Finding | None:
    async with probe.fresh() as session:
        reply = await session.call(slow.tool, dict(slow.arguments), within=within)
    return finding(slow, f"a call was not ended within {within:.0f} s") if reply.silent else None


async def _deadline_kept(probe: Probe) -> int:
    deadline = probe.call_deadline
    if deadline > SHORT[probe.full]:
        raise NotApplicable("no deadline was named that is short enough to be waited for (--call-deadline SECONDS)")
    within = TIMES * deadline + GIVEN
    findings: list[Finding] = []
    slow = sleepers(probe, within + BEYOND, 8)
    async with probe.fresh() as session:
        for one in slow:
            if probe.left < ENOUGH and findings:
                break
            async with under_way(session, [one], one.seconds + GRACE) as (task,):
                await asyncio.wait({task})
                reply = task.result()
            if reply.silent or reply.seconds > within:
                when = "is not ended at all" if reply.silent else f"is ended after {reply.seconds:.1f} s"
                findings.append(finding(one, f"with a deadline of {deadline:g} s a call {when}"))
    return verdict(findings, len(slow))


CASES = (
    alone(
        id="time.cancelled",
        title="A call that is cancelled is stopped",
        severity=Severity.MEDIUM,
        sends=f"a call that takes {CANCELLED:g} s (or a statement without an end) and, soon after, its cancellation",
        sound="stops the work and frees what it holds; no result of it comes later and no processor stays busy with it",
        reference=spec(
            "MCP 2025-11-25, basic/utilities/cancellation: a receiver stops processing and sends no response"
        ),
        remedy="let cancellation reach the work: await in async tools, interrupt statements, end child processes",
        play=_cancelled,
        seconds=60.0,
    ),
    alone(
        id="time.deadline",
        title="No call runs for ever",
        severity=Severity.MEDIUM,
        sends="calls that would take an hour, or have no end",
        sound="ends them by a deadline of its own (35 s, or what --call-deadline says, and a quarter more)",
        reference=measured(
            "calls that never return stay for ever in the bare SDK 2.3: 20,000 of them held 425 MB and kept the server "
            "from ending for 9 s"
        ),
        remedy="put a deadline around every call and end the work with it, not only the waiting",
        play=_deadline,
        profile=Profile.FULL,
        seconds=90.0,
    ),
    alone(
        id="time.deadline-kept",
        title="The deadline that a server promises is kept",
        severity=Severity.MEDIUM,
        sends="calls that would take longer than the deadline that --call-deadline names, one after the other",
        sound="answers each of them by one and a half times the deadline and three quarters of a second",
        reference=measured(
            "with a timeout of 0.5 s FastMCP 4.1 answered sync, blocking and cancel-swallowing tools after 2.0 s; in "
            "the SDK 2.3 a fail_after(0.3) around a thread came back at 2.0 s and said that all went well"
        ),
        remedy="answer when the deadline is over and let a thread that cannot be stopped end by itself, counted and "
        "bounded; run what blocks in a process that can be killed",
        play=_deadline_kept,
        seconds=60.0,
    ),
)
