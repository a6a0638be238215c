"""Very many requests at the same time: those that never end, and those that are answered at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast_attack.cases.load.volley import AT_ONCE, WITHIN, calm, fire, is_http, mixture, settled, take, tree_of
from holdfast_attack.cases.time.slow import Ask, Slow, finding, needs_own, neighbours, sleepers, under_way, verdict
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.messages import encoded, key
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Finding, Found, NotApplicable, Severity
from holdfast_attack.model.case import advisory, alone, measured

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe

CALLS = {False: 1_000, True: 2_000}
"""Calls that never end, by whether the run may take long."""
OVER_HTTP = 400
"""The same over HTTP, where each is a connection: systems allow a process 1,024 descriptors."""
EACH = 8 * 1024
LEAST = 8 * 2**20
"""Bytes; the bare SDK takes some 20 KiB for a call, a sound server refuses what is too much."""
LASTING = (600.0, 60.0, 20.0)
"""Seconds that calls are told to take: the most that a tool allows."""
READ = 10.0
REQUESTS = {False: 400, True: 4_000}
REQUESTS_HTTP = {False: 200, True: 2_000}
ABANDONED = 40
"""Requests over HTTP whose connection is closed before they are answered."""


async def _in_flight(probe: Probe) -> int:
    needs_own(probe)
    findings: list[Finding] = []
    tried = 0
    for slow in _longest(probe)[: 4 if probe.full else 2]:
        async with probe.fresh() as session:
            found = await _pile(probe, session, slow)
        tried += 1
        if found is not None:
            findings.append(found)
            break  # whether calls are bounded is hardly ever a matter of one tool
    return verdict(findings, tried)


def _longest(probe: Probe) -> tuple[Slow, ...]:
    for seconds in LASTING[:-1]:
        try:
            return sleepers(probe, seconds, 4)
        except NotApplicable:
            continue
    return sleepers(probe, LASTING[-1], 4)


async def _pile(probe: Probe, session: Session, slow: Slow) -> Finding | None:
    tree = tree_of(session)
    asks = neighbours(probe, slow.tool)
    await fire(session, asks * 20)
    number = OVER_HTTP if is_http(probe) else CALLS[probe.full]
    await calm(tree)
    before = await settled(tree)
    async with under_way(session, [slow] * number, READ + WITHIN) as tasks:
        # Messages are read in their order: when this is answered, all of them have been read.
        await session.ask(asks[0].method, asks[0].params, within=READ)
        grown = await settled(tree) - before
        waiting = sum(not task.done() for task in tasks)
    if waiting < 0.9 * number or grown < max(LEAST, EACH * number):
        return None
    each = grown // number // 1024
    return finding(slow, f"{number:,} calls were all taken at once, {each} KiB each: memory grew by {grown >> 20} MiB")


async def _requests(probe: Probe) -> int:
    number = (REQUESTS_HTTP if is_http(probe) else REQUESTS)[probe.full]
    session = await probe.session()
    asks = take(await mixture(probe, session), number)
    if isinstance(session, StdioSession):
        session.mark()
    replies = await fire(session, asks, 4 * AT_ONCE)
    unanswered = Counter(ask.name for ask, reply in zip(asks, replies, strict=True) if reply.silent)
    if unanswered:
        name, times = unanswered.most_common(1)[0]
        raise Found(f"{unanswered.total()} of {number} requests had no answer within {WITHIN:g} s ({times} x {name})")
    if isinstance(session, StdioSession):
        _answered_once(session)
    if isinstance(session, HttpSession):
        await _abandon(session, asks[:ABANDONED])
    if not await session.alive(WITHIN):
        raise Found(f"after {number} requests it answers no more")
    return number


def _answered_once(session: StdioSession) -> None:
    """Raises ``Found`` for an id with two answers."""
    ids = Counter(key(heard.message.get("id")) for heard in session.messages if "method" not in heard.message)
    (_, number), times = ids.most_common(1)[0]
    if times > 1:
        raise Found(f"request {number!r} was answered {times} times")


async def _abandon(session: HttpSession, asks: Sequence[Ask]) -> None:
    """Send requests and hang up at once; a server that dies of it answers nobody afterwards."""
    for ask in asks:
        connection = await session.open()
        try:
            sent = session.message(ask.method, ask.params)
            await connection.send(session.request_bytes("POST", encoded(sent)))
            await asyncio.sleep(0)
        finally:
            connection.close()


CASES = (
    alone(
        id="load.in-flight",
        title="Calls that never end cannot pile up without a bound",
        severity=Severity.HIGH,
        sends=f"{CALLS[False]:,} ({CALLS[True]:,} when it may take long, {OVER_HTTP} over HTTP) calls that take "
        "minutes, all at once",
        sound="refuses those beyond a bound at once, with a hint when to come again; or holds them in little memory "
        "(less than 8 KiB each)",
        reference=measured(
            "the bare SDK 2.3 runs 20,000 calls that never return all at once: 425 MB, and 9 s until it ends after the "
            "end of its input; FastMCP 4.1 has no cap either"
        ),
        remedy="bound how many calls run and how many wait, for each tool and in all; refuse the rest at once",
        play=_in_flight,
        seconds=60.0,
    ),
    Case(
        id="load.requests",
        title="Of very many requests each one is answered, once",
        severity=Severity.HIGH,
        sends=f"{REQUESTS[False]} ({REQUESTS[True]:,}) lists, honest calls, failing calls and calls of a tool that "
        f"there is not, {4 * AT_ONCE} at a time; over HTTP also {ABANDONED} whose connection is closed at once",
        sound="answers each request exactly once, be it with a refusal, and goes on serving",
        reference=advisory(
            "CVE-2025-53365: a client that hangs up at the wrong moment ends the server; JSON-RPC 2.0: every request "
            "has a response"
        ),
        remedy="catch what is raised for one request or connection where it is handled, and refuse what is too much",
        play=_requests,
        early=True,
        seconds=60.0,
        advisories=("CVE-2025-53365",),
    ),
)
