"""Methods, content types, Accept, protocol versions and notifications: what stands around a message."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import (
    PATIENT,
    Knock,
    all_answered,
    control,
    fault,
    knock,
    listing,
    none_served,
    told,
)
from holdfast_attack.link.messages import encoded, is_modern
from holdfast_attack.model import Case, Finding, Found, Severity
from holdfast_attack.model.case import HTTP, advisory, spec

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

OLD = ("1900-01-01", "not-a-version", "2025-11-25, 1900-01-01")
UNBORN = "2099-01-01"
"""A version that nobody speaks."""
SIMPLE = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None)
"""What a page may send to another site unasked (Fetch: CORS-safelisted Content-Type, and none at all)."""


async def _methods(probe: Probe) -> int:
    session = await probe.http()
    body = encoded(session.message("tools/list"))
    methods = ("PUT", "PATCH", "HOLDFAST", "OPTIONS")
    knocks = [Knock(f"{method} with a message", session.request_bytes(method, body)) for method in methods]
    alone: dict[str, str | None] = {"mcp-session-id": None}  # with it, this would end the session
    knocks.append(Knock("DELETE with a message", session.request_bytes("DELETE", body, headers=alone)))
    knocks.append(Knock("a GET with a message", session.request_bytes("GET", body, headers={"accept": "text/html"})))
    number = await all_answered(session, knocks)
    secret = secrets.token_hex(12)
    trace = session.request_bytes("TRACE", headers={"x-secret": secret})
    came = await knock(session, trace)
    if (came.reply.status or 999) < 300 and secret.encode() in came.reply.raw:
        raise Found(
            "TRACE gives back the headers of the request, also those that are secret", sent=trace, got=came.reply.raw
        )
    wrong = fault(came, results=False)
    if wrong is not None:
        raise Found(f"TRACE: {wrong}", sent=trace, got=came.reply.raw)
    return number + 1


async def _content_type(probe: Probe) -> int:
    session = await probe.http()
    kinds = [
        Knock(f"Content-Type: {kind}" if kind else "no Content-Type", listing(session, {"content-type": kind}))
        for kind in SIMPLE
    ]
    return await none_served(session, kinds)


async def _accept(probe: Probe) -> int:
    session = await probe.http()
    wishes = (None, "", "*/*", "application/json", "text/event-stream", "text/html", "application/*;q=0", "x" * 4_000)
    knocks = [
        Knock("no Accept" if wish is None else f"Accept: {wish[:40]}", listing(session, {"accept": wish}))
        for wish in wishes
    ]
    return await all_answered(session, knocks, results=True)


async def _version(probe: Probe) -> int:
    session = await probe.http()
    if is_modern(session.lane.version):
        meta = {"io.modelcontextprotocol/protocolVersion": UNBORN}
        body = encoded(session.message("tools/list", {"_meta": meta}))
        knocks = [
            Knock(f"version {UNBORN}", session.request_bytes("POST", body, headers={"mcp-protocol-version": UNBORN}))
        ]
    else:
        knocks = [Knock(f"version {version}", listing(session, {"mcp-protocol-version": version})) for version in OLD]
    return await none_served(session, knocks)


async def _accepted(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "nobody-asked-this"}}
    if is_modern(session.lane.version):
        note["params"] = session.message("x", {"requestId": "nobody-asked-this"})["params"]
    sent = session.request_bytes("POST", encoded(note))
    findings = []
    for _ in range(2):
        came = await knock(session, sent)
        wrong = fault(came, results=False) or _acknowledged(came.reply.status, came.reply.raw)
        findings += [Finding(wrong, sent=sent, got=came.reply.raw)] if wrong is not None else []
    told(findings[:1])
    return 2


def _acknowledged(status: int | None, raw: bytes) -> str | None:
    if status is None or status >= 400:
        return None
    body = raw.partition(b"\r\n\r\n")[2]
    if status != 202 or body:
        return f"a notification is answered with status {status} and {len(body)} bytes, instead of 202 and nothing"
    return None


CASES = (
    Case(
        id="http.methods",
        title="Methods other than POST",
        severity=Severity.LOW,
        sends="PUT, PATCH, DELETE, OPTIONS, GET, TRACE and a method that there is not, with a message as their body.",
        sound="Answers none with a result, fails at none, and repeats no headers to TRACE.",
        reference=spec(
            "MCP 2025-11-25 and 2026-07-28, transports: messages are sent with POST; RFC 9110, sections 9.1 and "
            "9.3.8 (405 or 501; a server should refuse TRACE)"
        ),
        remedy="Route by method, and answer all others with 405 and Allow.",
        play=_methods,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.content-type",
        title="Messages that a web page may send unasked",
        severity=Severity.LOW,
        sends="A message as text/plain, as a form, and without a type: what a browser sends to other sites unasked.",
        sound="Refuses it (415 or 400).",
        reference=advisory("CWE-352; Fetch, CORS-safelisted request headers; CVE-2025-49596 was reached in this way"),
        remedy="Take application/json only.",
        play=_content_type,
        transports=HTTP,
        seconds=PATIENT,
        advisories=("CVE-2025-49596",),
    ),
    Case(
        id="http.accept",
        title="Odd Accept headers",
        severity=Severity.LOW,
        sends="Requests that accept nothing, everything, one of the two types, something else, or 4,000 letters.",
        sound="Answers or refuses (406) each, and fails at none.",
        reference=spec(
            "RFC 9110, section 12.5.1 (answer as it is, or 406); section 15.6 (5xx is for the server's own faults)"
        ),
        remedy="Read Accept as a list, and treat what cannot be read as if it were not there.",
        play=_accept,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.version-header",
        title="A protocol version that nobody speaks",
        severity=Severity.LOW,
        sends="Requests with an MCP-Protocol-Version that is unknown, is no version, or is two.",
        sound="Refuses them with 400.",
        reference=spec("MCP 2025-11-25, transports, protocol version header; 2026-07-28, streamable HTTP: MUST be 400"),
        remedy="Compare the header with the versions that are served; for 2026-07-28 answer -32022 with their list.",
        play=_version,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.accepted",
        title="Notifications",
        severity=Severity.LOW,
        sends="A notification.",
        sound="Answers with 202 and no body, or with an error status.",
        reference=spec("MCP 2025-11-25 and 2026-07-28, transports, sending messages: MUST be 202 with no body"),
        remedy="Answer notifications before they are handled.",
        play=_accepted,
        transports=HTTP,
        seconds=PATIENT,
    ),
)
