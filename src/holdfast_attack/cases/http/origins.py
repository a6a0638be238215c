"""The Origin header and what other sites' pages may read: a browser speaks for whoever made the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from holdfast_attack.cases.http.knocking import (
    EVIL,
    PATIENT,
    Came,
    Knock,
    control,
    knock,
    knock_each,
    listing,
    none_served,
    told,
)
from holdfast_attack.model import Case, Finding, Found, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, Eras, advisory, spec

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe

EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - looked for, not bound  # nosec B104 - as before
MUST = "MCP 2025-11-25 and 2026-07-28, transports: servers MUST validate Origin, and answer an invalid one with 403"


async def _foreign(probe: Probe) -> int:
    session = await probe.http()
    port = session.address.port
    origins = (
        f"https://{EVIL}",
        f"http://{EVIL}:{port}",
        f"http://127.0.0.1.{EVIL}:{port}",
        f"http://localhost.{EVIL}:{port}",
    )
    return await none_served(session, [_from(session, origin) for origin in origins])


async def _null(probe: Probe) -> int:
    session = await probe.http()
    return await none_served(session, [_from(session, "null")])


def _from(session: HttpSession, origin: str) -> Knock:
    # a page of another site has no token
    what = f"Origin: {origin}".replace(str(session.address.port), "PORT")
    return Knock(what, listing(session, {"origin": origin, "authorization": None}))


async def _cors(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    origin = f"https://{EVIL}"
    wishes = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,mcp-protocol-version,mcp-session-id",
        "content-type": None,
        "authorization": None,
    }
    asked = [
        Knock("a preflight", session.request_bytes("OPTIONS", headers=wishes)),
        Knock("a request", listing(session, {"origin": origin, "authorization": None})),
        Knock("a request of no origin", listing(session, {"origin": "null", "authorization": None})),
    ]
    told(
        Finding(f"{one.what} of {EVIL} is answered with {opened}", sent=one.sent, got=came.reply.raw)
        for one, came in zip(asked, await knock_each(session, asked), strict=True)
        if (opened := _opened(came, origin)) is not None and (probe.token is None or "credentials" in opened)
    )
    return len(asked)


def _opened(came: Came, origin: str) -> str | None:
    """The header that lets the page read the answer; None when there is none, or nothing to read."""
    if came.reply.status is None or came.reply.status >= 300:
        return None
    allowed = came.reply.headers.get("access-control-allow-origin", "").strip()
    if allowed not in ("*", origin, "null"):
        return None
    credentials = came.reply.headers.get("access-control-allow-credentials", "").strip().lower() == "true"
    return f"Access-Control-Allow-Origin: {allowed}" + (" and with credentials" if credentials else "")


async def _everywhere(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    if not (await knock(session, listing(session, {"authorization": None}))).served:
        raise NotApplicable("it asks for a token, so that others may be let reach it")
    try:
        found = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN and one.laddr]
    except (OSError, psutil.Error):
        raise NotApplicable("this system does not tell which addresses are listened on") from None
    listening = [str(one.laddr[0]) for one in found if one.laddr and one.laddr[1] == session.address.port]
    if not listening:
        raise NotApplicable("this system does not tell which addresses are listened on")
    for address in listening:
        if address in EVERYWHERE:
            raise Found(f"it listens on {address}, so that everybody in the network may use it, and asks for no token")
    return 1


CASES = (
    Case(
        id="http.origin-foreign",
        title="Another site's page is answered",
        severity=Severity.HIGH,
        sends="Requests with the Origin of another site, without a token, as its pages send them.",
        sound="Refuses them with 403.",
        reference=spec(f"{MUST}; CVE-2025-49596"),
        remedy="Compare Origin, where there is one, with an exact list of whole origins and answer 403. In the Python "
        "SDK: transport_security=TransportSecuritySettings(allowed_origins=...).",
        play=_foreign,
        transports=HTTP,
        seconds=PATIENT,
        advisories=("CVE-2025-49596",),
    ),
    Case(
        id="http.origin-null",
        title="A page without an origin is answered",
        severity=Severity.MEDIUM,
        sends="A request with Origin: null, as it comes from a sandboxed frame or a file; every site can make one.",
        sound="Refuses it with 403.",
        reference=spec(f"{MUST}; RFC 6454, section 7.3 (null is what says nothing about where it comes from)"),
        remedy="Treat null as any other Origin that is not on the list.",
        play=_null,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.cors",
        title="Every site may read the answers",
        severity=Severity.HIGH,
        sends="A preflight and requests with the Origin of another site.",
        sound="Says in no answer that this site, or every one, may read it.",
        reference=advisory("CVE-2026-33010: every origin may read answers (Access-Control-Allow-Origin)"),
        remedy="Send no Access-Control-Allow-Origin, or your own page's origin; never * and never what was sent.",
        play=_cors,
        transports=HTTP,
        seconds=PATIENT,
        advisories=("CVE-2026-33010",),
    ),
    Case(
        id="http.bound-everywhere",
        title="Without a token, but open to the network",
        severity=Severity.HIGH,
        sends="Nothing odd; it is looked up on which addresses its port is listened on.",
        sound="A server that asks for no token listens on 127.0.0.1 or ::1 only.",
        reference=spec("MCP 2025-11-25 and 2026-07-28, transports: locally, bind only to localhost; CVE-2025-49596"),
        remedy="Bind to 127.0.0.1, or ask for a token.",
        play=_everywhere,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.ONCE,
        advisories=("CVE-2025-49596",),
    ),
)
