"""Provokes errors of every kind, and looks for what belongs into a log of the server's own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast_attack.cases.aiming import aims
from holdfast_attack.cases.leaks.active import KEPT, LATER, WITHIN
from holdfast_attack.cases.leaks.wrong import Wrong, wrong_calls
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Eras, Finding, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import advisory, measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.link.reply import Reply
    from holdfast_attack.play.probe import Probe

_TRACE = re.compile(
    r"Traceback \(most recent call last\)"
    r"|File \"[^\"\n]{1,300}\", line \d+"
    r"|\n\s+at (?:async )?[\w.$<>\[\] ]{1,200} ?\((?:file:|node:|/|[A-Z]:\\)[^)\n]{1,300}:\d+(?::\d+)?\)"
    r"|goroutine \d+ \[|thread '[^']{1,100}' panicked at"
)
_INNER = (
    (re.compile(r"\b[A-Za-z_.]*[A-Z]\w*(?:Error|Exception)\((?:['\"]|\\\")"), "the written form of an exception"),
    (re.compile(r"<[\w.]{1,200} object at 0x[0-9a-fA-F]+>"), "the address of an object in memory"),
    (re.compile(r"\b[a-z][a-z0-9+]{1,20}://[^/\s:@'\"]{1,100}:[^/\s@'\"]{1,100}@"), "a URL with a password"),
)
VALUES = {
    Role.PATH: ("missing-{number}.txt", "notes"),
    Role.FOLDER: ("missing-{number}", "hello.txt"),
    Role.SQL: ("SELECT FROM WHERE", "SELECT missing_{number} FROM pet"),
    Role.URL: ("http://127.0.0.1:9/", "no url {number}"),
    Role.PATTERN: ("(", "[z-a"),
    Role.ARGUMENT: ("no-such-thing-{number}",),
    Role.COMMAND: ("no-such-program-{number}",),
}
"""What honest callers get wrong, by role."""
MISTAKES = 6
"""Parameters that are tried in the quick profile, one value each: some servers take a second to log an exception."""


@dataclass(frozen=True, slots=True)
class Provoked:
    """A call and the error that came."""

    wrong: Wrong
    reply: Reply


async def provoked(probe: Probe) -> AsyncIterator[Provoked]:
    """Errors of many kinds: wrong arguments, things that are not there, tools that are not there."""
    for wrong in (*wrong_calls(probe), *_mistakes(probe), Wrong("no-such-tool", {}, "a tool that is not there", "")):
        reply = await probe.call(wrong.tool, wrong.arguments, within=WITHIN)
        if reply.failed:
            yield Provoked(wrong, reply)


def _mistakes(probe: Probe) -> list[Wrong]:
    try:
        targets = aims(probe, *VALUES)
    except NotApplicable:
        return []
    made: list[Wrong] = []
    for aim in targets if probe.full else targets[:MISTAKES]:
        for value in VALUES[aim.parameter.role][: None if probe.full else 1]:
            text = value.replace("{number}", str(len(made)))
            made.append(Wrong(aim.tool.name, aim.holding(text), f"{aim.label}: {text}", ""))
    return made


async def _judged(probe: Probe, judge: Callable[[Provoked], str | None]) -> int:
    number = 0
    found: dict[str, Finding] = {}
    async for one in provoked(probe):
        number += 1
        what = judge(one) if one.wrong.tool not in found else None
        if what is not None:
            said = f"{what} ({one.wrong.words})"
            found[one.wrong.tool] = Finding(said, one.wrong.tool, one.wrong.sent, one.reply.raw[:KEPT])
    if found:
        raise FoundSeveral(tuple(found.values()))
    if not number:
        raise NotApplicable("no call was refused, so that there is no error to look at")
    return number


async def traceback(probe: Probe) -> int:
    """The places in the server's source that an exception passed."""

    def judge(one: Provoked) -> str | None:
        return "an error holds a traceback" if _TRACE.search(one.reply.text[:100_000]) else None

    return await _judged(probe, judge)


async def exception_text(probe: Probe) -> int:
    """Text of an exception that tells of the machine or holds a secret."""
    base = str(probe.arena.base)
    open_about_it = any(base in honest.reply.text for honest in probe.honest.values()) or base in str(probe.listed)

    def judge(one: Provoked) -> str | None:
        text = one.reply.text[:100_000]
        seen = probe.arena.canaries.seen_in(one.reply.raw)
        if seen:
            return f"an error holds a secret of the server ({seen[0]})"
        if base in text and not open_about_it and base not in str(one.wrong.arguments):
            return "an error tells the full path of a folder of this machine"
        inner = next((words for pattern, words in _INNER if pattern.search(text)), None)
        return None if inner is None else f"an error holds {inner}"

    return await _judged(probe, judge)


async def unknown_tool(probe: Probe) -> int:
    """What is sent to a tool or a method that is not there is repeated nowhere."""
    holds = probe.arena.canaries.holds
    secret = probe.arena.canaries.argument(probe.case.id)
    params: dict[str, Any] = {"name": "no-such-tool", "arguments": {"password": secret}}
    session = await probe.session()
    for method, sent in (("tools/call", params), ("no/such-method", {"password": secret})):
        reply = await session.ask(method, sent, within=WITHIN)
        if holds(reply.raw, secret):
            raise FoundSeveral((Finding(f"the answer to {method} repeats what was sent", got=reply.raw[:KEPT]),))
    await asyncio.sleep(LATER)
    if isinstance(session, StdioSession) and holds(session.stderr, secret):
        raise FoundSeveral((Finding("its log repeats what was sent to a tool that is not there"),))
    return 2


CASES = (
    Case(
        id="leaks.traceback",
        title="An error holds no traceback",
        severity=Severity.LOW,
        eras=Eras.EACH,
        seconds=60.0,
        sends="wrong arguments of many kinds, things that are not there, a tool that is not there",
        sound="answers with an error in words for its reader",
        reference=advisory("CWE-209, CWE-497"),
        remedy="catch what a tool raises in one place; log it, and tell a fixed sentence with a code",
        play=traceback,
    ),
    Case(
        id="leaks.exception-text",
        title="An error tells nothing of the server's inside",
        severity=Severity.LOW,
        eras=Eras.EACH,
        seconds=60.0,
        sends="wrong arguments of many kinds, things that are not there, a tool that is not there",
        sound="no full path that nobody sent, no exception as written in code, no password, no secret",
        reference=measured("MCP Python SDK 2.3.0: the text of any exception is sent to the client; CWE-209"),
        remedy="tell only errors that were written for callers; replace all others by a fixed sentence",
        play=exception_text,
    ),
    Case(
        id="leaks.unknown-tool",
        title="What is sent to a tool that is not there is repeated nowhere",
        severity=Severity.LOW,
        eras=Eras.EACH,
        seconds=30.0,
        sends="a secret in the arguments of a tool, and of a method, that is not there",
        sound="neither the error nor the log holds it; the name alone may be told",
        reference=advisory("CWE-209, CWE-532"),
        remedy="tell the name, at most, and never the arguments",
        play=unknown_tool,
    ),
)
