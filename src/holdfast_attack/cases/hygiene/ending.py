"""How a server ends: at the end of its input, by signals, and in the middle of its work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.slow import slow_call
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Eras, Found, NotApplicable, Severity
from holdfast_attack.model.case import STDIO, Play, alone, measured, spec

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

EXITS = 8.0
"""Seconds in which a server must have ended; official clients wait 2 before SIGTERM, and 2 more before SIGKILL."""
UNDER_WAY = 12.0
"""The same while calls are under way, which it may let finish for a while."""
SLEEP = 40.0
FIRST = 15.0
CALLS = 3
PIPELINED = 50
SHUTDOWN = "MCP 2025-11-25, Lifecycle, Shutdown, stdio; 2026-07-28, stdio, Shutdown"


async def exits(session: StdioSession, after: str, within: float | None = None) -> None:
    """Raises ``Found`` when it is still there after so many seconds, ``EXITS`` where nothing else is said."""
    within = EXITS if within is None else within
    if await session.exited(within) is None:
        raise Found(f"{within:g} s after {after} it has not ended")


def _by(end: Callable[[StdioSession], None], what: str) -> Play:
    async def play(probe: Probe) -> int:
        async with probe.fresh_stdio() as session:
            if not await session.alive(FIRST):
                raise Found(f"a new server does not answer its first honest request within {FIRST:g} s")
            end(session)
            await exits(session, what)
        return 1

    return play


def _eof(session: StdioSession) -> None:
    session.close_stdin()


def _terminate(session: StdioSession) -> None:
    session.signal(signal.SIGTERM)


def _interrupt(session: StdioSession) -> None:
    """As a terminal does it: everybody in the process group, which a server that we start leads."""
    with suppress(ProcessLookupError):
        os.killpg(session.pid, signal.SIGINT)


async def under_way(probe: Probe) -> int:
    """The input ends while calls are under way."""
    async with probe.fresh_stdio() as session:
        lines = _slow_calls(probe, session) or _many(probe, session)
        await session.write(b"".join(lines))
        session.close_stdin()
        await exits(session, f"the end of its input, with {len(lines)} requests under way,", UNDER_WAY)
    return 1


def _slow_calls(probe: Probe, session: StdioSession) -> list[bytes]:
    """Calls that would take half a minute."""
    try:
        slow = slow_call(probe, SLEEP)
    except NotApplicable:
        return []
    call = {"name": slow.tool, "arguments": slow.arguments}
    return [encoded(session.message("tools/call", call)) + b"\n" for _ in range(CALLS)]


def _many(probe: Probe, session: StdioSession) -> list[bytes]:
    """Where no tool waits: honest calls in a row, so that some are under way."""
    calls = [{"name": name, "arguments": each.arguments} for name, each in probe.honest.items() if each.worked]
    made = [session.message("tools/call", calls[n % len(calls)]) for n in range(PIPELINED) if calls]
    made += [session.message("tools/list") for _ in range(PIPELINED)]
    return [encoded(message) + b"\n" for message in made]


_EXIT = f"has ended {EXITS:g} s later"
_REMEDY = "end when the input ends, and on SIGTERM and SIGINT, without waiting for what may not come"

_ending = partial(alone, transports=STDIO, eras=Eras.ONCE, seconds=45.0)

CASES = (
    _ending(
        id="hygiene.exit-on-eof",
        title="The end of the input ends it",
        severity=Severity.MEDIUM,
        sends="an honest request, then the end of its input",
        sound=_EXIT,
        reference=spec(f"{SHUTDOWN}: servers SHOULD exit promptly when their standard input is closed"),
        remedy=_REMEDY,
        play=_by(_eof, "the end of its input"),
    ),
    _ending(
        id="hygiene.exit-on-sigterm",
        title="SIGTERM ends it",
        severity=Severity.MEDIUM,
        sends="an honest request, then SIGTERM, its input still open",
        sound=_EXIT,
        reference=spec(f"{SHUTDOWN}: SIGTERM if the server does not exit within a reasonable time, then SIGKILL"),
        remedy=_REMEDY,
        play=_by(_terminate, "SIGTERM"),
    ),
    _ending(
        id="hygiene.exit-on-sigint",
        title="Ctrl-C ends it",
        severity=Severity.LOW,
        sends="an honest request, then SIGINT to its process group as a terminal sends it, its input still open",
        sound=_EXIT,
        reference=measured("the MCP Python SDK 2.3.0 hangs after SIGINT until its input is closed"),
        remedy=_REMEDY,
        play=_by(_interrupt, "SIGINT"),
    ),
    _ending(
        id="hygiene.exit-under-way",
        title="The input ends while calls are under way",
        severity=Severity.MEDIUM,
        sends="slow calls, or many honest ones where no tool waits, and the end of its input behind them",
        sound=f"has ended {UNDER_WAY:g} s later",
        reference=measured("20,000 calls under way kept the MCP Python SDK 2.3.0 for 9 s, a sleeping tool for as long"),
        remedy="let calls finish for a second or two, then cancel them and end",
        play=under_way,
    ),
)
