"""Memory: it stays what it was, however many requests, clients and answers that nobody takes there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from holdfast_attack.cases.load.volley import calm, fire, is_http, mixture, settled, take, tree_of
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.messages import initialize, is_modern
from holdfast_attack.model import Case, Found, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, alone, measured

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

WARM, WARM_HTTP = 150, 60
WINDOW = {False: 300, True: 1_500}
"""Requests in one window, by whether the run may take long."""
WINDOW_HTTP = {False: 120, True: 800}
WINDOWS = 3
AGAIN = (1, 2, 4)
"""How large the windows are when it seems to leak, time after time."""
EACH = 1024
PLAIN = 32 * 2**20
LEAST, LEAST_CLIENTS = 4 * 2**20, 8 * 2**20
"""Bytes: what grows by less than a KiB for a request, or by less than these in all, is no leak that anybody sees. What
is kept for a client is more, and lies in tables that some hundred of them may fill before their bound shows."""
CLIENTS = {False: 60, True: 600}
"""Clients in one window."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How many come in one window, and how many bytes in three of them are no growth yet."""

    window: int
    least: int


async def _memory(probe: Probe) -> int:
    http = is_http(probe)
    session = await probe.session()
    tree, asks = tree_of(session), await mixture(probe, session)

    async def more(number: int) -> None:
        await fire(session, take(asks, number))

    await more(WARM_HTTP if http else WARM)
    await calm(tree)
    grown, number = await _grown(probe, tree, more, Growth((WINDOW_HTTP if http else WINDOW)[probe.full], LEAST))
    if grown:
        raise Found(
            f"over {number:,} requests its memory grew by {grown >> 20} MiB, {grown // number // 1024} KiB each"
        )
    return number


async def _grown(probe: Probe, tree: Tree, more: Callable[[int], Awaitable[None]], growth: Growth) -> tuple[int, int]:
    """By how many bytes memory grew if it grew all the time, else 0; and over how many.

    What looks like a leak is looked at again in larger windows: caches and pools fill up, and then no more.
    """
    whole = done = 0
    for factor in AGAIN:
        size, begun = factor * growth.window, probe.left
        readings = [await settled(tree)]
        for _ in range(WINDOWS):
            await more(size)
            readings.append(await settled(tree))
        steps = [after - before for before, after in pairwise(readings)]
        whole, done = whole + sum(steps), done + WINDOWS * size
        if min(steps) < EACH * size or sum(steps) < growth.least:
            return 0, done
        if (factor > 1 and whole > PLAIN) or probe.left < 3 * (begun - probe.left):
            break  # it is plain, or the next windows would take longer than there is time
    return whole, done


async def _principals(probe: Probe) -> int:
    if probe.token is not None:
        raise NotApplicable("with a token everybody is the same client")
    window = CLIENTS[probe.full]
    async with probe.fresh_http() as session:
        tree = tree_of(session)
        clients = _Clients(session)
        await clients.come(window)
        await calm(tree)
        grown, number = await _grown(probe, tree, clients.come, Growth(window, LEAST_CLIENTS))
    if grown:
        raise Found(f"{number:,} clients that came and left hold {grown >> 20} MiB, {grown // number // 1024} KiB each")
    return number


class _Clients:
    """Each comes once, says another name, asks for the tools, and leaves as it should."""

    def __init__(self, session: HttpSession) -> None:
        self._session = session
        self._number = 0

    async def come(self, number: int) -> None:
        """So many, one after the other."""
        for _ in range(number):
            self._number += 1
            await self._one(f"client-{self._number}")

    async def _one(self, name: str) -> None:
        first = self._session
        session = HttpSession(first.address, first.lane, None, first.tree)
        told = {"x-forwarded-for": f"203.0.113.{self._number % 254 + 1}", "x-client-id": name, "user-agent": name}
        if is_modern(first.lane.version):
            message = session.message("tools/list")
            message["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] = {"name": name, "version": "1"}
            await session.post(message, headers=told)
            return
        greeting = initialize(first.lane.version, name)
        greeting["params"]["clientInfo"] = {"name": name, "version": "1"}
        reply = await session.post(greeting, headers=told | {"mcp-protocol-version": None})
        session.session_id = reply.headers.get("mcp-session-id")
        await session.post(session.message("tools/list"), headers=told)
        await session.close()


CASES = (
    Case(
        id="load.memory",
        title="Memory does not grow with the number of requests",
        severity=Severity.HIGH,
        sends=f"after a warm-up {WINDOWS} x {WINDOW[False]} ({WINDOW[True]:,}) honest and failing calls, lists and "
        "calls of a tool that there is not, with texts that are never the same; more when it seems to leak",
        sound="grows by less than 1 KiB for a request in at least one window, or by less than 4 MiB in three of them",
        reference=measured(
            "a limiter that keeps all that it ever saw held 108 MB after 100,000 ids (FastMCP 4.1); one per mille of "
            "objects that stay is what nothing but a restart gives back"
        ),
        remedy="bound every dictionary, queue, cache and log that requests fill",
        play=_memory,
        seconds=90.0,
    ),
    alone(
        id="load.principals",
        title="Clients that have left are forgotten",
        severity=Severity.MEDIUM,
        sends=f"{WINDOWS} x {CLIENTS[False]} ({CLIENTS[True]}) clients with a name, an address and a session each, "
        "that ask for the tools and leave (DELETE); more when it seems to leak",
        sound="grows by less than 1 KiB for a client in at least one window, or by less than 8 MiB in three of them",
        reference=measured(
            "FastMCP 4.1: 100,000 client ids hold 108 MB in the rate limiter and are never evicted; its sessions "
            "leaked as well (#941, #1012, #3443)"
        ),
        remedy="drop what is kept for a client when its session ends, and bound how many are kept",
        play=_principals,
        transports=HTTP,
        seconds=90.0,
    ),
)
