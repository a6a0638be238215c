"""Requests that a sound server turns away: sends them one after the other, and tells what came."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast_attack.link.httpanswer import ANY, Wanted
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.reply import KEPT, Reply
from holdfast_attack.model import Finding, FoundSeveral, Inconclusive

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.link.httpheaders import Overrides
    from holdfast_attack.link.rawhttp import RawConnection

WITHIN = 8.0
"""Seconds for one answer: a server refuses in milliseconds, a loaded machine takes its time."""
PATIENT = 4 * WITHIN
"""Seconds of a case: a request that hangs, the rest beside it, and time for all that is answered."""
FAULTS = frozenset({500, 502, 504})
"""Statuses that say that the server itself failed; 501 and 505 are refusals, 503 is a full house."""
NOT_LET_IN = 401
BUSY = (429, 503)
EVIL = "evil.example"
"""Somebody else's name (RFC 2606)."""


@dataclass(frozen=True, slots=True)
class Knock:
    """``sent`` as it goes over the wire, and what is odd about it, for a reader."""

    what: str
    sent: bytes


@dataclass(frozen=True, slots=True)
class Came:
    """What came for one request. ``hung_up``: the connection was closed, with or without an answer before."""

    reply: Reply
    hung_up: bool = False

    @property
    def served(self) -> bool:
        """It was answered with a result: what it asked for was done."""
        return self.reply.result is not None

    @property
    def hangs(self) -> bool:
        """Neither an answer nor an end came."""
        return self.reply.status is None and not self.hung_up

    @property
    def broke(self) -> bool:
        """The server says that it failed itself."""
        return self.reply.status in FAULTS


async def knock(session: HttpSession, sent: bytes, within: float | None = None) -> Came:
    """Send bytes on a connection of their own. Raises ``Gone`` when nobody listens any more, and ``Inconclusive`` when
    a limit keeps the request from being looked at."""
    connection = await session.open()
    try:
        answer = await connection.exchange(sent, WITHIN if within is None else within)
    finally:
        connection.close()
    return _came(answer.reply(0.0), answer.cut)


async def next_answer(connection: RawConnection, within: float | None = None, to: object = ANY) -> Came:
    """The next answer on a connection."""
    answer = await connection.answer(WITHIN if within is None else within, Wanted(to))
    return _came(answer.reply(0.0), answer.cut)


def _came(reply: Reply, hung_up: bool) -> Came:
    if reply.limited and reply.status in (None, 200, *BUSY):  # "recursion limit exceeded" is no limit of this kind
        raise Inconclusive(f"a limit of the server refused the request (status {reply.status})")
    return Came(reply, hung_up)


async def control(session: HttpSession) -> None:
    """The same without anything odd must be answered, or a refusal says nothing. Raises ``Inconclusive``."""
    reply = await session.ask("tools/list", within=WITHIN)
    if reply.result is None:
        raise Inconclusive("an honest request is not answered with a result either")


def listing(session: HttpSession, changes: Overrides | None = None) -> bytes:
    """A request for the tools, with headers that are changed or (None) left out."""
    return session.request_bytes("POST", encoded(session.message("tools/list")), headers=changes)


def doubled(sent: bytes, name: str, value: str, *, first: bool = False) -> bytes:
    """A request with one more line of a header, before or behind the one that is there."""
    line = f"{name}: {value}\r\n".encode("latin-1")
    head, _, rest = sent.partition(b"\r\n")
    if first:
        return head + b"\r\n" + line + rest
    fields, _, body = rest.partition(b"\r\n\r\n")
    return head + b"\r\n" + fields + b"\r\n" + line + b"\r\n" + body


async def knock_each(session: HttpSession, knocks: Sequence[Knock], within: float | None = None) -> list[Came]:
    """What came for each: one after the other, and from the first that hangs on the rest together."""
    came: list[Came] = []
    for place, one in enumerate(knocks, 1):
        came.append(await knock(session, one.sent, within))
        if came[-1].hangs:
            came += await asyncio.gather(*(knock(session, rest.sent, within) for rest in knocks[place:]))
            break
    return came


async def none_served(session: HttpSession, knocks: Sequence[Knock], within: float | None = None) -> int:
    """None of these may be answered with a result. Raises ``FoundSeveral``; returns how many there were."""
    await control(session)
    told(
        Finding(f"{one.what}: it was answered with a result", sent=one.sent, got=came.reply.raw)
        for one, came in zip(knocks, await knock_each(session, knocks, within), strict=True)
        if came.served
    )
    return len(knocks)


async def all_answered(session: HttpSession, knocks: Sequence[Knock], *, results: bool = False) -> int:
    """Each of these must be answered or refused: no silence, no failure of the server's own, and (unless ``results``
    are in order) no result. Raises ``FoundSeveral``; returns how many there were."""
    await control(session)
    told(
        Finding(f"{one.what}: {wrong}", sent=one.sent[:KEPT], got=came.reply.raw)
        for one, came in zip(knocks, await knock_each(session, knocks), strict=True)
        if (wrong := fault(came, results=results)) is not None
    )
    return len(knocks)


def fault(came: Came, *, results: bool) -> str | None:
    """What is wrong with an answer to a request that is odd, in words."""
    if came.hangs:
        return f"no answer within {WITHIN:g} s, and the connection stays open"
    if came.broke:
        return f"the server failed (status {came.reply.status})"
    if came.served and not results:
        return "it was answered with a result"
    return None


def told(findings: Iterable[Finding]) -> None:
    """Raises ``FoundSeveral`` when there is anything to tell."""
    if several := tuple(findings):
        raise FoundSeveral(several)
