"""Sessions of the era with a handshake: ids that are unknown, ended, guessed or stolen."""

from __future__ import annotations

import math
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import PATIENT, WITHIN, Knock, control, knock, listing, none_served, told
from holdfast_attack.link.http import NOT_FOUND, HttpSession
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Case, Finding, Found, Inconclusive, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, Eras, advisory, spec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from holdfast_attack.play.probe import Probe

SESSIONS = "MCP 2025-11-25, transports, session management"
SAMPLE = 20
"""Ids that are looked at."""
LEAST = 8
ENOUGH = 64.0
"""Bits that must be seen to change (OWASP, session management: at least 64 bits of entropy)."""

ELSEWHERE = "127.0.0.2"
"""Where another client comes from; on Linux all of 127.0.0.0/8 is this machine."""


async def _known(probe: Probe) -> HttpSession:
    session = await probe.http()
    await control(session)
    if session.session_id is None:
        raise NotApplicable("it keeps no sessions")
    return session


@asynccontextmanager
async def another(session: HttpSession, source: str | None = None) -> AsyncIterator[HttpSession]:
    """One more client of the same server. Raises ``Inconclusive`` when it is not let in."""
    other = HttpSession(session.address, session.lane, session.token, session.tree, session.tap.ear)
    other.source = source
    try:
        greeting = await other.greet(WITHIN)
    except Gone:
        greeting = None
    if greeting is None or greeting.result is None:
        raise Inconclusive("a second client is not let in")
    try:
        yield other
    finally:
        await other.close()


def elsewhere(session: HttpSession) -> str | None:
    """Another address of this machine, so that a server which counts by address sees another caller."""
    if ":" in session.address.host:
        return None
    with socket.socket() as trying:
        try:
            trying.bind((ELSEWHERE, 0))
        except OSError:  # macOS has only the first of them
            return None
    return ELSEWHERE


async def _unknown(probe: Probe) -> int:
    session = await _known(probe)
    real = session.session_id or ""
    ids = {
        "with every letter turned": "".join(map(_other, real)),
        "with its last letter turned": real[:-1] + _other(real[-1:]),
        "with one letter more": real + "0",
        "of zeros": "0" * 32,
        "of one letter": "x",
        "that is a path": "../../etc/passwd",
        "of 4,000 letters": "a" * 4_000,
    }
    knocks = [Knock(f"a session id {what}", listing(session, {"mcp-session-id": name})) for what, name in ids.items()]
    return await none_served(session, knocks)


def _other(letter: str) -> str:
    """A letter of the same kind."""
    if letter.isdigit():
        return str((int(letter) + 1) % 10)
    return {"f": "a", "F": "A", "z": "a", "Z": "A"}.get(letter, chr(ord(letter) + 1) if letter.isalpha() else letter)


async def _guessable(probe: Probe) -> int:
    session = await _known(probe)
    ids: list[str] = []
    for _ in range(SAMPLE):
        try:
            async with another(session) as other:
                ids += [other.session_id] if other.session_id else []
        except Inconclusive:
            break
    if len(ids) < LEAST:
        raise Inconclusive(f"only {len(ids)} sessions could be begun")
    again = len(ids) - len(set(ids))
    if again:
        raise Found(f"of {len(ids)} session ids {again} came again", got="\n".join(ids).encode())
    bits = changing_bits(ids)
    if bits < ENOUGH:
        raise Found(f"of a session id no more than some {bits:.0f} bits change", got="\n".join(ids).encode())
    return len(ids)


def changing_bits(ids: Sequence[str]) -> float:
    """An upper bound for how much is random in them: the different letters seen in each place."""
    places = min(len(name) for name in ids)
    return sum(math.log2(len({name[place] for name in ids})) for place in range(places))


async def _deleted(probe: Probe) -> int:
    session = await _known(probe)
    async with another(session) as other:
        if other.session_id is None:
            raise NotApplicable("it keeps no sessions")
        ended = await other.request("DELETE")
        if ended.status is None or ended.status >= 300:
            raise NotApplicable(f"clients cannot end a session (status {ended.status} to DELETE)")
        sent = listing(other)
        came = await knock(other, sent)
        other.session_id = None
    if came.served:
        raise Found("a session that was ended goes on", sent=sent, got=came.reply.raw)
    if came.reply.status != NOT_FOUND:
        what = f"status {came.reply.status}" if came.reply.status else "silence"
        raise Found(
            f"{what} instead of 404, so that a client does not know to begin anew", sent=sent, got=came.reply.raw
        )
    return 1


async def _alone(probe: Probe) -> int:
    if probe.token is None:
        raise NotApplicable("no --token was given")
    session = await _known(probe)
    if await _lets_in_everybody(session):
        raise NotApplicable("it asks for no token, which http.auth-missing tells")
    findings = []
    for what, token in (("without a token", None), ("with a wrong token", "Bearer not-the-token")):
        for method in ("POST", "GET", "DELETE"):
            changes = {"authorization": token}
            sent = listing(session, changes) if method == "POST" else session.request_bytes(method, headers=changes)
            reply = await session.exchange(sent) if method == "POST" else await session.request(method, headers=changes)
            if reply.status is not None and reply.status < 300:
                findings.append(
                    Finding(f"{method} with a session id, {what}: status {reply.status}", sent=sent, got=reply.raw)
                )
    told(findings)
    return 6


async def _lets_in_everybody(session: HttpSession) -> bool:
    anybody = HttpSession(session.address, session.lane)
    try:
        let_in = (await anybody.greet(WITHIN)).result is not None
    except Gone:
        return False
    await anybody.close()
    return let_in


CASES = (
    Case(
        id="http.session-unknown",
        title="A session id that the client made up",
        severity=Severity.MEDIUM,
        sends="Requests with session ids that were never given: turned letters, zeros, a path, 4,000 letters.",
        sound="Answers none of them with a result (404).",
        reference=spec(f"{SESSIONS}: the server assigns the id; 404 to one that is no session's"),
        remedy="Look the id up among those that were given, and never make a session with an id from outside.",
        play=_unknown,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.LEGACY,
    ),
    Case(
        id="http.session-guessable",
        title="Session ids that can be guessed",
        severity=Severity.HIGH,
        sends=f"Begins {SAMPLE} sessions, ends them, and compares their ids.",
        sound="None comes again, and at least 64 bits of them change.",
        reference=advisory(f"CVE-2025-6515; {SESSIONS}: globally unique and cryptographically secure"),
        remedy="Use 128 bits of a cryptographic source (secrets.token_hex(16), crypto.randomUUID()).",
        play=_guessable,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.LEGACY,
        advisories=("CVE-2025-6515",),
    ),
    Case(
        id="http.session-deleted",
        title="A session that was ended",
        severity=Severity.MEDIUM,
        sends="Ends a session with DELETE and uses it once more.",
        sound="Answers 404.",
        reference=spec(f"{SESSIONS}: MUST respond with 404 after termination, on which clients begin anew"),
        remedy="Forget the session on DELETE, and answer 404 to every id that is none.",
        play=_deleted,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.LEGACY,
    ),
    Case(
        id="http.session-alone",
        title="A session id instead of a token",
        severity=Severity.HIGH,
        sends="POST, GET and DELETE with the id of a running session, without a token and with a wrong one.",
        sound="Refuses them (401).",
        reference=advisory(
            "CVE-2026-52869; MCP, security best practices: servers MUST NOT use sessions for authentication"
        ),
        remedy="Check the token of every request before the session is looked up, and bind a session to its caller.",
        play=_alone,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.LEGACY,
        advisories=("CVE-2026-52869",),
    ),
)
