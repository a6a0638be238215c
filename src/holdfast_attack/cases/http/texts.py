"""Texts that come back where they should not, or that nobody can write: secrets in errors, and half characters."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from holdfast_attack.cases.http.knocking import PATIENT, Came, Knock, control, knock, knock_each, told
from holdfast_attack.link.messages import encoded
from holdfast_attack.model import Case, Finding, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, advisory, measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe

MOST = 6
"""Tools that are tried."""
TEXTS = (Role.TEXT, Role.OTHER, Role.PATTERN, Role.ARGUMENT, Role.SQL, Role.PATH)
BAD_REQUEST = 400


async def _surrogate(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    calls = list(_calls(probe, session))[:MOST]
    if not calls:
        raise NotApplicable("no tool that may be called takes a text")
    told(
        Finding(f"{one.what}: {wrong}", tool, one.sent, came.reply.raw)
        for (tool, one), came in zip(calls, await knock_each(session, [one for _, one in calls]), strict=True)
        if (wrong := _unanswered(came)) is not None
    )
    return len(calls)


def _calls(probe: Probe, session: HttpSession) -> Iterator[tuple[str, Knock]]:
    """One call of each tool that takes a text of any kind, with half a character in it."""
    seen = set()
    for tool, parameter in probe.tools.with_role(*TEXTS, allow_writes=probe.allow_writes):
        honest = probe.honest.get(tool.name)
        if tool.name in seen or honest is None or not isinstance(honest.arguments.get(parameter.name), str):
            continue
        seen.add(tool.name)
        arguments = honest.arguments | {parameter.name: "\ud800"}
        message = session.message("tools/call", {"name": tool.name, "arguments": arguments})
        what = f"half a character as {parameter.name}"
        yield tool.name, Knock(what, session.request_bytes("POST", json.dumps(message).encode()))


def _unanswered(came: Came) -> str | None:
    if came.broke:
        return f"status {came.reply.status}"
    answered = came.reply.message is not None or (came.reply.status or 0) >= BAD_REQUEST
    return None if answered else "no answer"


async def _reflected(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    secret = f"sk-{secrets.token_hex(16)}"
    findings = []
    bodies = [encoded(message) for message in _odd(session, secret)]
    bodies.append(encoded(session.message("tools/list", {"note": secret}))[:-1])
    for body in bodies:
        sent = session.request_bytes("POST", body)
        came = await knock(session, sent)
        if secret.encode() in came.reply.raw:
            findings.append(Finding("an error repeats a value that was sent", sent=sent, got=came.reply.raw))
    path = f"{session.address.path.partition('?')[0]}/<script>{secret}</script>"
    sent = session.request_bytes("GET", path=path.replace(" ", ""))
    came = await knock(session, sent)
    kind = came.reply.headers.get("content-type", "")
    if "html" in kind and f"<script>{secret}".encode() in came.reply.raw:
        findings.append(Finding("a page repeats a script that stood in its address", sent=sent, got=came.reply.raw))
    told(findings)
    return len(bodies) + 1


def _odd(session: HttpSession, secret: str) -> list[dict[str, Any]]:
    """Messages whose envelope is wrong, each with a secret in another place."""
    usual = session.message("tools/list")
    return [
        usual | {"params": secret},
        usual | {"params": {"_meta": secret}},
        usual | {"jsonrpc": secret},
        usual | {"id": {"secret": secret}},
        usual | {"method": {"secret": secret}},
        {"jsonrpc": "2.0", "id": 1, "secret": secret},
    ]


CASES = (
    Case(
        id="http.surrogate-argument",
        title="Half a character as an argument",
        severity=Severity.MEDIUM,
        sends='Calls with the text "\\ud800", which JSON can write and UTF-8 cannot.',
        sound="Answers or refuses each.",
        reference=measured(
            "Python SDK 2.3.0: a lone surrogate that comes back in a result ends the stream without an answer"
        ),
        remedy="Refuse lone surrogates when a message is parsed, and replace them in results before they are encoded.",
        play=_surrogate,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.reflected",
        title="Errors that repeat what was sent",
        severity=Severity.LOW,
        sends="Messages that are malformed around a secret, and an address that holds a script.",
        sound="Says what is wrong without repeating values, and never as HTML.",
        reference=advisory(
            "CWE-209; CWE-79; Python SDK 2.3.0 puts pydantic's text with the input values into its answer"
        ),
        remedy="Answer malformed messages with texts of your own; name the field, not the value.",
        play=_reflected,
        transports=HTTP,
        seconds=PATIENT,
    ),
)
