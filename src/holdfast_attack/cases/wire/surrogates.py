"""Text that is no text: lone surrogates on the way in, file names that are no UTF-8 on the way out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from holdfast_attack.arena.planting import bad_name
from holdfast_attack.cases.wire.hearing import tell
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Case, Finding, Found, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import STDIO, measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.link.stdio import StdioSession
    from holdfast_attack.play.probe import Probe

LONE = "\ud800"
WITHIN = 15.0
TOOLS = 4
"""Tools that are tried."""
DIES = "a lone surrogate in a result ends the stdio process of the MCP Python SDK 2.3.0"


def _line(message: dict[str, Any]) -> bytes:
    """JSON in plain ASCII: an escaped surrogate is valid JSON (RFC 8259, section 8.2, warns of it)."""
    return json.dumps(message).encode()


async def argument(probe: Probe) -> int:
    """A lone surrogate in ``_meta``, as a tool's name and in each text of a few tools is answered."""
    session = await probe.stdio()
    tried = 0
    for what, params in _carriers(probe):
        method = "tools/call" if "name" in params else "tools/list"
        heard = await tell(session, _line(session.message(method, params)), grace=2.0)
        if heard is None:
            raise Found(f"a lone surrogate in {what}: no answer; who waits for one waits for ever")
        tried += 1
    return tried


def _carriers(probe: Probe) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "_meta", {"_meta": {"com.example/attack": LONE}}
    yield "the name of a tool", {"name": f"a{LONE}", "arguments": {}}
    for tool in probe.tools.callable(probe.allow_writes)[:TOOLS]:
        known = probe.honest.get(tool.name)
        arguments = dict(known.arguments) if known else {}
        texts = [name for name, value in arguments.items() if isinstance(value, str)]
        if texts:
            spoilt = {name: f"a{LONE}b" if name in texts else value for name, value in arguments.items()}
            yield f"an argument of {tool.name}", {"name": tool.name, "arguments": spoilt}


async def result(probe: Probe) -> int:
    """A folder with a file name that is no UTF-8 is listed, or refused; the server stays."""
    session = await probe.stdio()
    aims = probe.tools.with_role(Role.FOLDER, Role.PATH, allow_writes=False)[:TOOLS]
    if not aims:
        raise NotApplicable("no read-only tool takes a folder")
    with bad_name(probe.arena.workspace) as folder:
        findings = []
        for tool, parameter in aims:
            known = probe.honest.get(tool.name)
            arguments = dict(known.arguments) if known else {}
            where = str(folder) if _absolute(arguments.get(parameter.name)) else folder.name
            found = await _listed(session, tool.name, arguments | {parameter.name: where})
            findings += [found] if found else []
            if session.ended:
                break
    if findings:
        raise FoundSeveral(tuple(findings))
    return len(aims)


async def _listed(session: StdioSession, tool: str, arguments: dict[str, Any]) -> Finding | None:
    try:
        reply = await session.call(tool, arguments, within=WITHIN)
    except Gone:
        return Finding("a folder that holds a file name which is no UTF-8 ended the server", tool)
    if reply.silent:
        return Finding("a call about a folder that holds a file name which is no UTF-8 is not answered", tool)
    return None


def _absolute(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


CASES = (
    Case(
        id="wire.surrogate-argument",
        title="Lone surrogates in what is sent",
        severity=Severity.HIGH,
        sends='"\\ud800" in _meta, as the name of a tool, and in the texts of some calls',
        sound="answers each: with an error, or with a result that can be encoded",
        reference=measured(f"the surrogate reaches the handler, and what it gives back cannot be encoded: {DIES}"),
        remedy="refuse lone surrogates where the line is parsed",
        play=argument,
        transports=STDIO,
        seconds=45.0,
        advisories=("CVE-2025-53365",),
    ),
    Case(
        id="wire.surrogate-result",
        title="File names that are no UTF-8",
        severity=Severity.CRITICAL,
        sends="honest calls that list a folder in which a file has a name of bytes that are no UTF-8",
        sound="answers each, and lives",
        reference=measured(f"{DIES}; os.listdir yields such names"),
        remedy='make text of results with errors="replace" before they are encoded, and catch what encoding raises',
        play=result,
        transports=STDIO,
        seconds=45.0,
        advisories=("CVE-2025-53365",),
    ),
)
