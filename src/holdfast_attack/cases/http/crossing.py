"""Several clients whose requests look alike: each must get its own answer, and nobody another's."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast_attack.cases.http.knocking import control
from holdfast_attack.cases.http.sessions import another
from holdfast_attack.cases.time.slow import sleepers
from holdfast_attack.link.httpanswer import Wanted
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Found, Inconclusive, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, Eras, advisory, measured, spec
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe

CLIENTS = 6
ROUNDS = 3
BURST = 30
"""Requests at the same time; so many overlap on a machine of any speed."""
PATIENCE = 8.0
SLOW = 1.0
"""Seconds of a call that others overtake, where a tool can be told to take as long."""
SHAPES = ("tools/list", "holdfast-attack/unknown")
"""Requests whose answers cannot be taken for each other, where no tool gives a text back."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of one client, and how to know its answer."""

    method: str
    params: dict[str, Any] | None
    mark: str | None

    def owns(self, reply: Reply) -> bool:
        """Whether it is the answer to this."""
        if self.mark is not None:
            return self.mark in reply.text
        return (self.method == SHAPES[0]) == ("tools" in (reply.result or {}))


async def _crossed(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    echo = await _echo(probe)
    tried = 0
    async with _clients(session, CLIENTS) as clients:
        for number in range(1, ROUNDS + 1):
            asked = [_asked(echo, f"client{place}round{number}x") for place in range(len(clients))]
            if echo is None:
                asked = [Asked(SHAPES[place % 2], None, None) for place in range(len(clients))]
            replies = await asyncio.gather(
                *(
                    one.ask(ask.method, ask.params, id=number, within=PATIENCE)
                    for one, ask in zip(clients, asked, strict=True)
                )
            )
            tried += _judged(asked, replies)
    if not tried:
        raise Inconclusive("a limit refused the requests")
    return tried


def _judged(asked: Sequence[Asked], replies: Sequence[Reply]) -> int:
    """Raises ``Found`` when one has another's answer, or none."""
    tried = 0
    for ask, reply in zip(asked, replies, strict=True):
        if reply.limited:
            continue
        tried += 1
        if reply.silent:
            raise Found(f"of {len(asked)} clients that used the same request id one got no answer", got=reply.raw)
        other = next((one for one in asked if one is not ask and one.mark and one.mark in reply.text), None)
        if other is not None or (ask.mark is None and not ask.owns(reply)):
            raise Found("a client got the answer to another client's request, as both had the same id", got=reply.raw)
    return tried


def _asked(echo: tuple[str, dict[str, Any], str] | None, mark: str) -> Asked:
    if echo is None:
        return Asked(SHAPES[0], None, None)
    tool, arguments, name = echo
    return Asked("tools/call", {"name": tool, "arguments": arguments | {name: mark}}, mark)


async def _echo(probe: Probe) -> tuple[str, dict[str, Any], str] | None:
    """A tool that gives a text back, its honest arguments and the name of the text."""
    for tool, parameter in probe.tools.with_role(Role.TEXT, Role.OTHER, allow_writes=probe.allow_writes)[:4]:
        honest = probe.honest.get(tool.name)
        if honest is None or not honest.worked or not isinstance(honest.arguments.get(parameter.name), str):
            continue
        mark = "holdfastattackecho"
        reply = await probe.call(tool.name, honest.arguments | {parameter.name: mark})
        if mark in reply.text and not reply.failed:
            return tool.name, honest.arguments, parameter.name
    return None


@asynccontextmanager
async def _clients(session: HttpSession, number: int) -> AsyncIterator[list[HttpSession]]:
    """More clients of the same server, two at least. Raises ``Inconclusive`` when they are not let in."""
    async with AsyncExitStack() as stack:
        clients: list[HttpSession] = []
        for _ in range(number):
            try:
                clients.append(await stack.enter_async_context(another(session)))
            except Inconclusive:
                if len(clients) < 2:
                    raise
                break
        yield clients


async def _reused(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    slow = None
    with contextlib.suppress(NotApplicable):
        slow = sleepers(probe, SLOW, 1)[0]
    ids: list[Any] = [8, "8"] * (BURST // 2)
    messages = [session.message("tools/list", id=number) for number in ids]
    if slow is not None:
        messages.insert(0, session.message("tools/call", {"name": slow.tool, "arguments": dict(slow.arguments)}, id=8))
    answers = await asyncio.gather(*(_answer(session, message) for message in messages))
    lost = [place for place, answered in enumerate(answers) if not answered]
    if lost:
        sent = json.dumps(messages[lost[0]]).encode()
        raise Found(
            f'of {len(messages)} requests under way with the ids 8 and "8" some got no answer within {PATIENCE:g} s',
            sent=sent,
        )
    return len(messages)


async def _answer(session: HttpSession, message: dict[str, Any]) -> bool:
    """Whether it was answered or refused, in whichever way."""
    connection = await session.open()
    try:
        sent = session.request_bytes("POST", encoded(message))
        answer = await connection.exchange(sent, PATIENCE, Wanted(message["id"]))
    finally:
        connection.close()
    return answer.whole or answer.cut


async def _replayed(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    async with another(session) as owner, another(session) as thief:
        connection = await owner.open()
        secret = f"secret-{probe.random.getrandbits(64):x}"
        try:
            sent = owner.request_bytes("POST", encoded(owner.message("tools/list", id=secret)))
            answer = await connection.exchange(sent, PATIENCE, Wanted(secret))
        finally:
            connection.close()
        if not answer.ids:
            raise NotApplicable("its streams cannot be taken up again (no ids of events)")
        connection = await thief.open()
        try:
            stolen = thief.request_bytes("GET", headers={"last-event-id": answer.ids[0], "content-type": None})
            replay = await connection.exchange(stolen, 2.0, Wanted(secret))
        finally:
            connection.close()
    if secret.encode() in bytes(replay.body):
        raise Found(
            "a stream of one client is replayed to another who names its event", sent=stolen, got=bytes(replay.body)
        )
    return 1


CASES = (
    Case(
        id="http.answers-crossed",
        title="Another client's answer",
        severity=Severity.CRITICAL,
        sends=f"{CLIENTS} clients, whose requests differ but have the same ids, ask at the same time.",
        sound="Gives each its own answer.",
        reference=advisory("CVE-2026-25536 (TypeScript SDK: answers are sent by request id alone)"),
        remedy="Make a transport (and, without sessions, a server) for each request; never look an answer up by its id "
        "alone.",
        play=_crossed,
        transports=HTTP,
        seconds=45.0,
        advisories=("CVE-2026-25536",),
    ),
    Case(
        id="http.id-reused",
        title="Request ids that are under way",
        severity=Severity.MEDIUM,
        sends=f'{BURST} requests at the same time with the ids 8 and "8", which are two.',
        sound="Answers or refuses each.",
        reference=measured(
            "Python SDK 2.3.0, legacy: a second request of an id takes the stream of the first, whose client "
            'hangs; 8 is taken for "8" (JSON-RPC 2.0, section 4: ids are strings or numbers)'
        ),
        remedy="Refuse an id that is under way (-32600), and keep the type of an id in the key it is found by.",
        play=_reused,
        transports=HTTP,
        seconds=30.0,
    ),
    Case(
        id="http.replay-foreign",
        title="Another client's stream is replayed",
        severity=Severity.HIGH,
        sends="GET with the Last-Event-ID of another session's stream.",
        sound="Replays nothing of it.",
        reference=spec(
            "MCP 2025-11-25, transports, resumability: MUST NOT replay messages of a different stream; ids are "
            "unique within a session"
        ),
        remedy="Keep events under the session (and its caller), and look an id up within the session that asks.",
        play=_replayed,
        transports=HTTP,
        eras=Eras.LEGACY,
    ),
)
