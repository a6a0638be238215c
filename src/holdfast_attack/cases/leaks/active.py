"""Sends secrets where an honest caller might by mistake, and looks for them in errors, in logs and on their way out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from holdfast_attack.arena import WebCanary
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.leaks.wrong import Wrong, wrong_calls
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Eras, Finding, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import STDIO, advisory, measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

WITHIN = 10.0
KEPT = 65_536
LATER = 0.2
"""Seconds after the last answer in which a log has time to be written."""
AROUND = 300


async def error_echo(probe: Probe) -> int:
    """Errors must not repeat what they complain of."""
    found: dict[str, Finding] = {}
    number = 0
    for wrong in wrong_calls(probe):
        if wrong.tool in found:
            continue
        reply = await probe.call(wrong.tool, wrong.arguments, within=WITHIN)
        number += reply.failed
        if reply.failed and probe.arena.canaries.holds(reply.raw, wrong.secret):
            what = f"the error repeats the value that it refuses ({wrong.words})"
            found[wrong.tool] = Finding(what, wrong.tool, wrong.sent, reply.raw[:KEPT])
    return _verdict(found, number)


async def stderr(probe: Probe) -> int:
    """Logs must not hold what was refused."""
    made = []
    for wrong in wrong_calls(probe):
        await probe.call(wrong.tool, wrong.arguments, within=WITHIN)
        made.append(wrong)
    await asyncio.sleep(LATER)
    found: dict[str, Finding] = {}
    for log in _logs(probe):
        found |= _logged(log, (wrong for wrong in made if wrong.tool not in found))
    return _verdict(found, len(made))


def _logs(probe: Probe) -> list[bytes]:
    """What every server that this case has talked to wrote on its standard error."""
    return [session.stderr for session in probe.sessions if isinstance(session, StdioSession)]


def _logged(log: bytes, made: Iterable[Wrong]) -> dict[str, Finding]:
    found = {}
    for wrong in made:
        place = log.find(wrong.secret.encode())
        if place >= 0:
            what = f"its log repeats the value that it refused ({wrong.words})"
            got = log[max(0, place - AROUND) : place + AROUND]
            found[wrong.tool] = Finding(what, wrong.tool, wrong.sent, got)
    return found


def _verdict(found: Mapping[str, Finding], number: int) -> int:
    if found:
        raise FoundSeveral(tuple(found.values()))
    if not number:
        raise NotApplicable("no call was refused, so that there is no error to look at")
    return number


async def outgoing(probe: Probe) -> int:
    """What goes to an address of a caller's choice must hold no secret of the server or the caller."""
    number = 0
    async with WebCanary() as web:
        for aim in aims(probe, Role.URL):
            seen = len(web.hits)
            await probe.call(aim.tool.name, aim.holding(web.url("/page")), within=WITHIN)
            sent = b"".join(hit.raw + hit.body for hit in web.hits[seen:])
            number += bool(sent)
            _look(probe, aim, sent)
    if not number:
        raise NotApplicable("no tool follows a URL of the attack to where it leads")
    return number


def _look(probe: Probe, aim: Aim, sent: bytes) -> None:
    names = probe.arena.canaries.seen_in(sent)
    if probe.token and probe.arena.canaries.holds(sent, probe.token):
        names = (*names, "the caller's own token")
    if names:
        what = f"a request to an address that the caller chose holds a secret: {names[0]}"
        raise FoundSeveral((Finding(what, aim.tool.name, got=sent[:KEPT]),))


CASES = (
    Case(
        id="leaks.error-echo",
        title="An error does not repeat the value that it refuses",
        severity=Severity.MEDIUM,
        eras=Eras.EACH,
        seconds=60.0,
        sends="secrets in parameters of another type, and in parameters that are not there",
        sound="says what was expected and where, without the value",
        reference=measured("MCP Python SDK 2.3.0: a bad argument comes back as input_value='<the secret>'; CWE-209"),
        remedy="tell the place and the rule, not the value (pydantic: hide_input_in_errors, include_input=False)",
        play=error_echo,
    ),
    Case(
        id="leaks.stderr",
        title="A log does not repeat the value that was refused",
        severity=Severity.MEDIUM,
        eras=Eras.EACH,
        transports=STDIO,
        seconds=60.0,
        sends="secrets in parameters of another type, and in parameters that are not there",
        sound="its standard error holds none of them",
        reference=advisory("CWE-532; measured: the MCP Python SDK logs the whole traceback of a refused argument"),
        remedy="log codes and places; replace values in what is logged",
        advisories=("token-in-a-log",),
        play=stderr,
    ),
    Case(
        id="leaks.outgoing",
        title="Requests to a caller's address hold no secret",
        severity=Severity.CRITICAL,
        eras=Eras.EACH,
        seconds=30.0,
        sends="the URL of a canary to tools that fetch",
        sound="sends no secret of its environment and no token of its caller there",
        reference=advisory("AIKIDO-2026-10318 (a caller's Authorization sent on to another origin), CWE-201"),
        remedy="build outgoing requests from nothing; forward no header of the caller",
        advisories=("AIKIDO-2026-10318",),
        play=outgoing,
    ),
)
