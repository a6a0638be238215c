"""The Host header: the name under which a server is called, which a web page that rebinds a name cannot choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import EVIL, PATIENT, Knock, doubled, listing, none_served
from holdfast_attack.link.messages import encoded, initialize, is_modern
from holdfast_attack.model import Case, Severity
from holdfast_attack.model.case import HTTP, advisory, spec

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe


async def _foreign(probe: Probe) -> int:
    session = await probe.http()
    port = session.address.port
    names = (f"{EVIL}:{port}", EVIL, f"127.0.0.1.{EVIL}:{port}", f"localhost.{EVIL}:{port}", f"[::1].{EVIL}:{port}")
    knocks = [Knock(f"Host: {name}".replace(str(port), "PORT"), listing(session, _page(name))) for name in names]
    rebound = _page(names[0]) | {"origin": f"http://{names[0]}"}
    knocks.append(Knock(f"Host: {EVIL}:PORT, with the Origin of that page", listing(session, rebound)))
    if not is_modern(session.lane.version):
        knocks.append(Knock(f"initialize with Host: {EVIL}:PORT", _greeting(session, names[0])))
    return await none_served(session, knocks)


def _page(host: str) -> dict[str, str | None]:
    """What a web page sends that has rebound its name: it has no token."""
    return {"host": host, "authorization": None}


def _greeting(session: HttpSession, host: str) -> bytes:
    outside = {"mcp-session-id": None, "mcp-protocol-version": None}
    return session.request_bytes("POST", encoded(initialize(session.lane.version, 0)), headers=_page(host) | outside)


async def _missing(probe: Probe) -> int:
    session = await probe.http()
    return await none_served(session, [Knock("no Host at all", listing(session, {"host": None}))])


async def _duplicate(probe: Probe) -> int:
    session = await probe.http()
    sent = listing(session)
    other = f"{EVIL}:{session.address.port}"
    knocks = [
        Knock("a foreign Host behind its own", doubled(sent, "host", other)),
        Knock("a foreign Host before its own", doubled(sent, "host", other, first=True)),
    ]
    return await none_served(session, knocks)


async def _path(probe: Probe) -> int:
    session = await probe.http()
    own = session.authority
    hosts = (f"{own}/livez?x=", f"{own}/../", f"{own}?x=", f"{own}#", f"{EVIL}@{own}", f"{own},{EVIL}")
    knocks = [Knock(f"Host: {host}".replace(own, "HOST:PORT"), listing(session, {"host": host})) for host in hosts]
    return await none_served(session, knocks)


CASES = (
    Case(
        id="http.host-foreign",
        title="A rebound name reaches the server",
        severity=Severity.HIGH,
        sends="Requests whose Host is another site's name, as a web page sends them that lets it resolve to 127.0.0.1.",
        sound="Answers none of them with a result (403 or 421).",
        reference=advisory(
            "CVE-2025-66416; MCP 2025-11-25 and 2026-07-28, transports, security warning (DNS rebinding)"
        ),
        remedy="Compare Host with an exact list (127.0.0.1:PORT, localhost:PORT, [::1]:PORT) before anything else and "
        "answer 403. In the Python SDK: transport_security=TransportSecuritySettings(allowed_hosts=...).",
        play=_foreign,
        transports=HTTP,
        seconds=PATIENT,
        advisories=("CVE-2025-66416",),
    ),
    Case(
        id="http.host-missing",
        title="A request without Host",
        severity=Severity.LOW,
        sends="An HTTP/1.1 request that has no Host line.",
        sound="Refuses it with 400.",
        reference=spec("RFC 9112, section 3.2: a server MUST respond with 400 to HTTP/1.1 that lacks a Host"),
        remedy="Refuse requests without exactly one Host.",
        play=_missing,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.host-duplicate",
        title="Two Host lines",
        severity=Severity.MEDIUM,
        sends="Requests with two Host lines, of which one is the server's own and the other another site's.",
        sound="Refuses them with 400: whoever stands in front may have read the other one.",
        reference=spec("RFC 9112, section 3.2: 400 to any request with more than one Host line"),
        remedy="Refuse requests without exactly one Host.",
        play=_duplicate,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.host-path",
        title="A Host that holds more than a host",
        severity=Severity.MEDIUM,
        sends="The server's own Host with a path, query, fragment, user or second name behind or before it.",
        sound="Refuses it: a URL that is put together from it has another path than the one that is served.",
        reference=advisory("CVE-2026-48710; RFC 9112, section 3.2: 400 to a Host with an invalid value"),
        remedy="Compare the whole Host with an exact list, not with a prefix, and decide by the path of the request "
        "line, never by a URL that was put together (request.url).",
        play=_path,
        transports=HTTP,
        seconds=PATIENT,
        advisories=("CVE-2026-48710",),
    ),
)
