"""Clients that leave while their calls are under way."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import WITHIN, control
from holdfast_attack.cases.http.room import room
from holdfast_attack.cases.time.slow import Slow, sleepers
from holdfast_attack.link.messages import encoded, is_modern
from holdfast_attack.model import Found, Inconclusive, Severity
from holdfast_attack.model.case import HTTP, alone, measured

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.link.rawhttp import RawConnection
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

MIB = 2**20
LEFT, LEFT_QUICK = 300, 120
BEGUN = 0.5
"""Seconds after which the calls are under way."""
SETTLED = 12.0
"""Seconds in which everything of a client that has left must be given back."""
LEAKED = 60
"""Descriptors of those that may be left."""
KEPT = 64
"""MiB that may be left."""


async def _disconnected(probe: Probe) -> int:
    modern = is_modern(probe.lane.version)  # the era in which a client that leaves ends its call
    slow = sleepers(probe, 20.0 if modern else 4.0, 1)[0]
    number = room(LEFT if probe.full else LEFT_QUICK)
    async with probe.fresh_http() as session:
        await control(session)
        tree = session.tree
        descriptors, memory = (None, None) if tree is None else (tree.descriptors(), tree.rss())
        await _leave(session, slow, number)
        if not await _goes_on(session, slow.tool, probe.honest[slow.tool].arguments):
            raise Found(f"after {number} calls whose clients have left no other call of it works", tool=slow.tool)
        if tree is not None and descriptors is not None and memory is not None:
            left = await _left_over(tree, descriptors)
            if left > LEAKED:
                raise Found(f"{left} descriptors are left of {number} calls whose clients have left", tool=slow.tool)
            grown = ((tree.rss() or 0) - memory) // MIB
            if grown > KEPT:
                raise Found(f"{grown} MiB are left of {number} calls whose clients have left", tool=slow.tool)
    return number


async def _left_over(tree: Tree, before: int) -> int:
    """Descriptors that are still open when there was time to close them."""
    end = time.monotonic() + SETTLED
    while True:
        left = (tree.descriptors() or 0) - before
        if left <= LEAKED or time.monotonic() > end:
            return left
        await asyncio.sleep(0.25)


async def _leave(session: HttpSession, slow: Slow, number: int) -> None:
    """So many calls, whose clients go away while they are under way: half of them politely, half of them not."""
    connections: list[RawConnection] = []
    try:
        for _ in range(number):
            message = session.message("tools/call", {"name": slow.tool, "arguments": dict(slow.arguments)})
            connection = await session.open()
            connections.append(connection)
            await connection.send(session.request_bytes("POST", encoded(message)))
        await asyncio.sleep(BEGUN)
    finally:
        for place, connection in enumerate(connections):
            if place % 2:
                connection.abort()
            else:
                connection.close()


async def _goes_on(session: HttpSession, tool: str, arguments: dict[str, object]) -> bool:
    """Whether an honest call, which worked before, works again once no limit refuses it any more."""
    end = time.monotonic() + SETTLED
    while True:
        reply = await session.call(tool, arguments, within=WITHIN)
        if reply.silent or not reply.failed:
            return not reply.silent
        wait = reply.retry_after if reply.retry_after is not None else 0.5
        if wait > SETTLED:
            raise Inconclusive(f"a limit of {tool} is spent for {wait:.0f} s")
        if time.monotonic() + wait > end:
            return False
        await asyncio.sleep(wait)


CASES = (
    alone(
        id="http.disconnect",
        title="Clients that leave",
        severity=Severity.HIGH,
        sends=f"{LEFT_QUICK} calls (full: {LEFT}) that take long, whose clients close the connection or vanish.",
        sound="Gives back the connections, memory and places of all of them, and answers the next call.",
        reference=measured(
            "Python SDK 2.3.0: a client that leaves orphans the handler; MCP 2026-07-28, streamable HTTP: "
            "closing the stream MUST be treated as cancellation"
        ),
        remedy="Watch for the end of the connection while a call is under way, and free what the call holds.",
        play=_disconnected,
        transports=HTTP,
        seconds=60.0,
    ),
)
