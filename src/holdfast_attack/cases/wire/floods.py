"""Thousands of cheap messages at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import Answers, Message, count, send, without_params
from holdfast_attack.link.messages import encoded
from holdfast_attack.model import Case, Found, Severity
from holdfast_attack.model.case import STDIO, spec

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

NOTIFICATIONS = 2_000
REQUESTS = 2_000
WITHIN = 50.0


async def notifications(probe: Probe) -> int:
    """None of them is answered, and the honest request behind them is."""
    session = await probe.stdio()
    behind = session.message("tools/list")
    flood = b"".join(
        b'{"jsonrpc":"2.0","method":"notifications/holdfast-attack","params":{"n":%d}}\n' % number
        for number in range(NOTIFICATIONS)
    )
    session.mark()
    await send(session, flood + encoded(behind) + b"\n", within=WITHIN)
    answers = await count(session, Answers.to([behind]), WITHIN)
    if answers.missing:
        raise Found(f"an honest request behind {NOTIFICATIONS:,} notifications is not answered within {WITHIN:g} s")
    if answers.others:
        raise Found(f"{answers.others} answers to notifications")
    return NOTIFICATIONS


async def requests(probe: Probe) -> int:
    """Each is answered exactly once; a refusal is an answer."""
    session = await probe.stdio()
    cheap = without_params(session)
    made: list[Message] = [cheap() for _ in range(REQUESTS)]
    session.mark()
    await send(session, b"".join(encoded(message) + b"\n" for message in made), within=WITHIN)
    answers = await count(session, Answers.to(made), WITHIN)
    if answers.missing:
        raise Found(f"{answers.missing:,} of {REQUESTS:,} requests sent at once were not answered within {WITHIN:g} s")
    if answers.twice:
        raise Found(f"{answers.twice:,} of {REQUESTS:,} requests sent at once were answered more than once")
    return REQUESTS


CASES = (
    Case(
        id="wire.flood-notifications",
        title="Thousands of notifications at once",
        severity=Severity.MEDIUM,
        sends=f"{NOTIFICATIONS:,} notifications that mean nothing, and an honest request behind them",
        sound="answers the request and nothing else",
        reference=spec("JSON-RPC 2.0, section 4.1: the server MUST NOT reply to a notification"),
        remedy="drop what means nothing where it is parsed, before a task or a log line is made of it",
        play=notifications,
        transports=STDIO,
        seconds=75.0,
    ),
    Case(
        id="wire.flood-requests",
        title="Thousands of requests at once",
        severity=Severity.HIGH,
        sends=f"{REQUESTS:,} cheap requests without waiting for an answer",
        sound="answers each exactly once; a refusal for their number is an answer",
        reference=spec("JSON-RPC 2.0, section 5: the server MUST reply with a response, except for notifications"),
        remedy="stop reading while too much is under way, or refuse; lose nothing",
        play=requests,
        transports=STDIO,
        seconds=75.0,
    ),
)
