"""Requests that come a byte at a time, so that whoever waits for their end waits for ever."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import control, told
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Finding, Found, Profile, Severity
from holdfast_attack.model.case import HTTP, Eras, alone, measured

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe

PATIENCE = 25.0
"""Seconds in which a sound server gives up on a request of 200 bytes."""
PAUSE = 0.5
OTHERS = 8.0
"""Seconds in which an honest request beside one that stands still must be answered; it takes milliseconds."""


async def _slow(probe: Probe) -> int:
    async with probe.fresh_http() as session:
        await control(session)
        body = encoded(session.message("tools/list"))
        sent = session.request_bytes("POST", body, headers={"content-length": str(len(body) + 10_000)})
        head = len(sent) - len(body)
        ways = {"body": head + 1, "head": head - 20}
        seen = await asyncio.gather(*(_trickled(session, sent[:at]) for at in ways.values()))
        findings = [
            Finding(
                f"a request whose {what} comes a byte at a time is held for {PATIENCE:g} s and more", sent=sent[:at]
            )
            for (what, at), ended in zip(ways.items(), seen, strict=True)
            if not ended
        ]
    told(findings)
    return len(ways)


async def _held(probe: Probe) -> int:
    """Others are answered while one client has sent half of its request."""
    async with probe.fresh_http() as session:
        await control(session)
        sent = session.request_bytes("POST", encoded(session.message("tools/list")))
        halves = {"a request": sent[:-10], "a head": sent[: sent.index(b"\r\n\r\n") - 5], "nothing": b""}
        for what, half in halves.items():
            connection = await session.open()
            try:
                await connection.send(half)
                reply = await session.ask("tools/list", within=OTHERS)
            finally:
                connection.close()
            if reply.silent:
                raise Found(f"while one client has sent {what} and no more, nobody is answered", sent=half)
    return len(halves)


async def _trickled(session: HttpSession, start: bytes) -> bool:
    """Whether the server ends it in time, with an answer or without."""
    connection = await session.open()
    end = time.monotonic() + PATIENCE
    try:
        await connection.send(start)
        while time.monotonic() < end:
            try:
                await connection.read(1, PAUSE)
            except TimeoutError:
                await connection.send(b" " if b"\r\n\r\n" in start else b"a")
                continue
            return True
    except (Gone, TimeoutError):
        return True
    finally:
        connection.close()
    return False


CASES = (
    alone(
        id="http.body-held",
        title="One client that stops in the middle",
        severity=Severity.HIGH,
        sends="Half of a body, half of a head, and nothing on open connections; an honest request beside each.",
        sound=f"Answers the honest request within {OTHERS:g} seconds.",
        reference=measured("a server that reads one connection to its end before the next serves nobody (CWE-400)"),
        remedy="Serve each connection by a task or a thread of its own.",
        play=_held,
        transports=HTTP,
        eras=Eras.ONCE,
        seconds=60.0,
    ),
    alone(
        id="http.body-slow",
        title="A request that never ends",
        severity=Severity.MEDIUM,
        sends="A request whose body, and one whose head, comes a byte every half second.",
        sound=f"Answers 408 or closes within {PATIENCE:g} seconds.",
        reference=measured(
            "Slowloris (CWE-400): each costs a connection for as long as it likes; uvicorn has no limit. "
            " RFC 9110, section 15.5.9 (408)"
        ),
        remedy="Give each request a deadline for its head and its body (ten seconds are plenty on one machine).",
        play=_slow,
        transports=HTTP,
        eras=Eras.ONCE,
        profile=Profile.FULL,
        seconds=60.0,
    ),
)
