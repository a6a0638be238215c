"""The bearer token: missing, wrong, or where it does not belong. Only where the user gave one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from holdfast_attack.cases.http.knocking import NOT_LET_IN, PATIENT, Knock, control, knock, listing, none_served
from holdfast_attack.link.messages import encoded, initialize, is_modern
from holdfast_attack.model import Case, Found, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, spec

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe

NOBODY: dict[str, str | None] = {"authorization": None}
BEARER = "MCP 2025-11-25, authorization"


def _token(probe: Probe) -> str:
    if probe.token is None:
        raise NotApplicable("no --token was given")
    return probe.token


async def _missing(probe: Probe) -> int:
    _token(probe)
    session = await probe.http()
    knocks = [Knock("no token", listing(session, NOBODY))]
    knocks += [Knock(f"no token, at {path}", _at(session, path)) for path in _paths(session)]
    if not is_modern(session.lane.version):
        outside: dict[str, str | None] = {"mcp-session-id": None, "mcp-protocol-version": None}
        hello = encoded(initialize(session.lane.version, 0))
        knocks.append(Knock("no token, at initialize", session.request_bytes("POST", hello, headers=NOBODY | outside)))
    number = await none_served(session, knocks)
    for method in ("GET", "DELETE"):
        reply = await session.request(method, headers=NOBODY)
        if reply.status is not None and reply.status < 300:
            raise Found(f"no token, and {method} is answered with {reply.status}", got=reply.raw)
    return number + 2


def _paths(session: HttpSession) -> tuple[str, ...]:
    """Other ways to write the path, for a check that compares it with a list."""
    path = session.address.path.partition("?")[0]
    last = path.rpartition("/")[2] or "x"
    other = f"{path[: len(path) - len(last)]}%{ord(last[0]):02x}{last[1:]}"
    return (
        f"/{path}",
        f"{path}/",
        f"/.{path}",
        other,
        f"{path};x=1",
        f"{path}?x=1",
        path.upper(),
        f"http://{session.authority}{path}",
    )


def _at(session: HttpSession, path: str) -> bytes:
    return session.request_bytes("POST", encoded(session.message("tools/list")), path=path, headers=NOBODY)


async def _challenge(probe: Probe) -> int:
    _token(probe)
    session = await probe.http()
    await control(session)
    sent = listing(session, NOBODY)
    came = await knock(session, sent)
    if came.served:
        raise NotApplicable("it answers without a token, which http.auth-missing tells")
    if came.reply.status != NOT_LET_IN:
        raise Found(f"status {came.reply.status} instead of 401", sent=sent, got=came.reply.raw)
    if not came.reply.headers.get("www-authenticate", "").lower().startswith("bearer"):
        raise Found("401 without WWW-Authenticate: Bearer", sent=sent, got=came.reply.raw)
    return 1


async def _wrong(probe: Probe) -> int:
    token = _token(probe)
    session = await probe.http()
    # few, as a sound server shuts out who goes on guessing
    wrong = {
        "the token without its end": f"Bearer {token[:-1]}",
        "the token and more": f"Bearer {token}x",
        "the token in other letters": f"Bearer {token.swapcase()}",
        "an empty token": "Bearer ",
        "the token under another scheme": f"Basic {token}",
    }
    if token.swapcase() == token:
        del wrong["the token in other letters"]
    return await none_served(
        session, [Knock(what, listing(session, {"authorization": sent})) for what, sent in wrong.items()]
    )


async def _query(probe: Probe) -> int:
    token = quote(_token(probe), safe="")
    session = await probe.http()
    path, _, query = session.address.path.partition("?")
    prefix = f"{path}?{query}&" if query else f"{path}?"
    names = ("access_token", "token", "api_key")
    knocks = [Knock(f"the token as ?{name}=", _at(session, f"{prefix}{name}={token}")) for name in names]
    if (await knock(session, listing(session, NOBODY))).served:
        raise NotApplicable("it answers without a token, which http.auth-missing tells")
    return await none_served(session, knocks)


CASES = (
    Case(
        id="http.auth-missing",
        title="No token is asked for",
        severity=Severity.CRITICAL,
        sends="Requests without the token: the tools, a new session, a stream, the end of a session, and other "
        "spellings of the path.",
        sound="Refuses each with 401 (404 where nothing is).",
        reference=spec(
            f"{BEARER}: authorization MUST be included in every HTTP request; invalid tokens MUST receive 401"
        ),
        remedy="Check the token before anything else, on every path that is not listed as open.",
        play=_missing,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.auth-challenge",
        title="A refusal that does not say what is missing",
        severity=Severity.LOW,
        sends="A request without the token.",
        sound="Answers 401 with WWW-Authenticate: Bearer.",
        reference=spec(f"RFC 9110, section 15.5.2: MUST send WWW-Authenticate; {BEARER}: 401"),
        remedy="Answer 401, not 403 or 400, and send the challenge.",
        play=_challenge,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.auth-wrong",
        title="Wrong tokens are taken",
        severity=Severity.CRITICAL,
        sends="The token cut, lengthened, in other letters, under another scheme, and an empty one.",
        sound="Refuses each, and goes on serving who has the right one.",
        reference=spec(f"{BEARER}: servers MUST validate access tokens; RFC 6750, section 3.1"),
        remedy="Compare whole tokens (in constant time), and look at the scheme.",
        play=_wrong,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.auth-query",
        title="A token in the address",
        severity=Severity.MEDIUM,
        sends="The right token as a parameter of the address, and not in the header.",
        sound="Refuses it: addresses stand in logs and histories.",
        reference=spec(f"{BEARER}: access tokens MUST NOT be included in the URI query string; RFC 6750, section 5.3"),
        remedy="Take tokens from the Authorization header only.",
        play=_query,
        transports=HTTP,
        seconds=PATIENT,
    ),
)
