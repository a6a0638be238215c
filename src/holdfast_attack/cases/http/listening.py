"""One client that holds all the streams there are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from holdfast_attack.cases.http.floods import ground
from holdfast_attack.cases.http.knocking import WITHIN
from holdfast_attack.cases.http.room import room
from holdfast_attack.cases.http.sessions import another, elsewhere
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.httpanswer import EVENTS
from holdfast_attack.link.messages import encoded, is_modern
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Case, Found, Inconclusive, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, measured

if TYPE_CHECKING:
    from holdfast_attack.link.rawhttp import RawConnection
    from holdfast_attack.play.probe import Probe

STREAMS_QUICK, STREAMS = 64, 1_100
"""More than the 1,024 streams that the Python SDK has for all clients together."""


async def _listens(probe: Probe) -> int:
    async with ground(probe) as session:
        most = room(STREAMS if probe.full else STREAMS_QUICK)
        standing: list[RawConnection] = []
        try:
            if not await _stands(session, standing):
                raise NotApplicable("it offers no streams that stand open")
            end = time.monotonic() + probe.left - 25
            while len(standing) < most and time.monotonic() < end:
                if not await _stands(session, standing):
                    break
            await _others_listen(session, len(standing))
        finally:
            for connection in standing:
                connection.close()
        return len(standing)


async def _stands(session: HttpSession, standing: list[RawConnection]) -> bool:
    """Open one more stream; whether it stands. In the era with a handshake each has a session of its own."""
    client = session
    if not is_modern(session.lane.version) and standing:
        try:
            client = await HttpSession.connect(session.address, session.lane, session.token)
        except Gone:
            return False
    connection = await client.open()
    await connection.send(_listen(client))
    head = await connection.head(WITHIN)
    if head is None or head.status >= 300 or not head.headers.get("content-type", "").startswith(EVENTS):
        connection.close()
        return False
    if is_modern(session.lane.version) and b"acknowledged" not in await _first_words(connection):
        connection.close()
        return False
    standing.append(connection)
    return True


async def _first_words(connection: RawConnection) -> bytes:
    try:
        return await connection.read(65_536, WITHIN)
    except TimeoutError:
        return b""


def _listen(session: HttpSession) -> bytes:
    if is_modern(session.lane.version):
        wanted = {"notifications": {"toolsListChanged": True}}
        return session.request_bytes("POST", encoded(session.message("subscriptions/listen", wanted)))
    return session.request_bytes("GET", headers={"accept": EVENTS})


async def _others_listen(session: HttpSession, number: int) -> None:
    """Another client must get on. Raises ``Found``, or ``Inconclusive`` where none can be told from the first."""
    source = elsewhere(session)
    streams: list[RawConnection] = []
    try:
        async with another(session, source) as other:
            reply = await other.ask("tools/list", within=WITHIN)
            if reply.result is None:
                raise Found(f"while one client holds {number} streams, another is not answered", got=reply.raw)
            if not await _stands(other, streams) and source is not None:
                raise Found(f"one client holds {number} streams, and there is none left for anybody else")
    except Inconclusive:
        if source is not None:
            raise Found(f"while one client holds {number} streams, another is not let in") from None
        raise
    finally:
        for connection in streams:
            connection.close()


CASES = (
    Case(
        id="http.listen-flood",
        title="One client listens for all",
        severity=Severity.HIGH,
        sends=f"Streams that stand open, up to {STREAMS_QUICK} (full: {STREAMS:,}), and then another client.",
        sound="Answers the other client, and lets it listen as well.",
        reference=measured(
            "Python SDK 2.3.0: one client opens 1,024 listens, and everybody else is told that there are too many"
        ),
        remedy="Give each caller a share of the streams that is smaller than the whole.",
        play=_listens,
        transports=HTTP,
        seconds=120.0,
    ),
)
