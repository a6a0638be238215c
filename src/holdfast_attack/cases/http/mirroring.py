"""Headers that repeat what the body says (2026-07-28): a gateway decides by them, the server by the body."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from holdfast_attack.cases.http.knocking import PATIENT, WITHIN, Came, Knock, control, doubled, knock, knock_each, told
from holdfast_attack.link.http import HEADER_MISMATCH
from holdfast_attack.link.messages import encoded
from holdfast_attack.model import Case, Finding, Inconclusive, Severity
from holdfast_attack.model.case import HTTP, Eras, spec

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.link.httpheaders import Overrides
    from holdfast_attack.play.probe import Probe

SECTION = "MCP 2026-07-28, streamable HTTP, server validation"
OTHER, UNKNOWN = "holdfast-attack-other-tool", "holdfast-attack-no-tool"


async def _mismatch(probe: Probe) -> int:
    session = await probe.http()
    asked = session.message("tools/list")
    old = session.message("tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": "2025-11-25"}})
    call = _call(probe, session)
    knocks = [
        Knock("Mcp-Method names another method", _sent(session, asked, {"mcp-method": "ping"})),
        Knock("Mcp-Method is written in other letters", _sent(session, asked, {"mcp-method": "TOOLS/LIST"})),
        Knock("a second Mcp-Method names another method", doubled(_sent(session, asked), "mcp-method", "ping")),
        Knock("the body says another version than the header", _sent(session, old)),
        Knock("Mcp-Name names another tool", _sent(session, call, {"mcp-name": OTHER})),
        Knock("Mcp-Name names another tool, in base64", _sent(session, call, {"mcp-name": _base64(OTHER)})),
        Knock("Mcp-Name is broken base64", _sent(session, call, {"mcp-name": "=?base64?!!?="})),
        Knock("a second Mcp-Name names another tool", doubled(_sent(session, call), "mcp-name", OTHER)),
    ]
    return await _refused(session, knocks)


async def _missing(probe: Probe) -> int:
    session = await probe.http()
    call = _call(probe, session)
    knocks = [
        Knock("no Mcp-Method", _sent(session, session.message("tools/list"), {"mcp-method": None})),
        Knock("no Mcp-Method at a call", _sent(session, call, {"mcp-method": None})),
        Knock("no Mcp-Name at a call", _sent(session, call, {"mcp-name": None})),
    ]
    return await _refused(session, knocks)


async def _encoded(probe: Probe) -> int:
    session = await probe.http()
    call = _call(probe, session)
    params = call["params"]
    usual = await session.call(params["name"], params["arguments"], within=WITHIN)
    if usual.message is None or usual.code == HEADER_MISMATCH:
        raise Inconclusive("an honest call is not answered either")
    sent = _sent(session, call, {"mcp-name": _base64(params["name"])})
    came = await knock(session, sent)
    if came.reply.message is None or came.reply.code != usual.code:
        told([Finding("the right name in base64 is not taken for what it is", sent=sent, got=came.reply.raw)])
    return 1


def _call(probe: Probe, session: HttpSession) -> dict[str, Any]:
    """A call that may be made and is known to work; otherwise one of a tool that there is not."""
    for name, honest in probe.honest.items():
        if honest.worked:
            return session.message("tools/call", {"name": name, "arguments": honest.arguments})
    return session.message("tools/call", {"name": UNKNOWN, "arguments": {}})


def _sent(session: HttpSession, message: dict[str, Any], changes: Overrides | None = None) -> bytes:
    return session.request_bytes("POST", encoded(message), headers=changes)


def _base64(name: str) -> str:
    return f"=?base64?{base64.b64encode(name.encode()).decode()}?="


async def _refused(session: HttpSession, knocks: list[Knock]) -> int:
    """Each must be refused, and in the words that tell a client why."""
    await control(session)
    told(
        Finding(f"{one.what}: {wrong}", sent=one.sent, got=came.reply.raw)
        for one, came in zip(knocks, await knock_each(session, knocks), strict=True)
        if (wrong := _wrong(came)) is not None
    )
    return len(knocks)


def _wrong(came: Came) -> str | None:
    if came.served:
        return "it was carried out"
    if came.hangs or came.broke:
        return f"no proper answer (status {came.reply.status})"
    if came.reply.error is not None and came.reply.code != HEADER_MISMATCH:
        return f"it was looked at as if the headers were right (error {came.reply.code})"
    return None


CASES = (
    Case(
        id="http.header-mismatch",
        title="Headers that say something else than the body",
        severity=Severity.MEDIUM,
        sends="Calls whose Mcp-Method, Mcp-Name or version is not that of the body, twice there, or broken.",
        sound="Refuses each with 400 (and error -32020): otherwise what a gateway let through is not what is done.",
        reference=spec(f"{SECTION}: MUST reject with 400 and -32020"),
        remedy="Compare each of the headers with the body before the message is dispatched.",
        play=_mismatch,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.MODERN,
    ),
    Case(
        id="http.header-missing",
        title="Headers that are missing",
        severity=Severity.MEDIUM,
        sends="Requests without Mcp-Method, and calls without Mcp-Name.",
        sound="Refuses each with 400 (and error -32020).",
        reference=spec(f"{SECTION}: a required standard header is missing"),
        remedy="Require the headers before the message is dispatched.",
        play=_missing,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.MODERN,
    ),
    Case(
        id="http.header-encoded",
        title="A name in base64",
        severity=Severity.LOW,
        sends="An honest call with its Mcp-Name in base64.",
        sound="Answers as to the plain name.",
        reference=spec("MCP 2026-07-28, streamable HTTP, value encoding: servers MUST decode before they compare"),
        remedy="Decode =?base64?...?= in Mcp-Name and Mcp-Param-* before comparing.",
        play=_encoded,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.MODERN,
    ),
)
