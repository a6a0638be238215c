"""What a server leaves on its standard output and in the table of processes."""

from __future__ import annotations

import signal
from asyncio import sleep
from typing import TYPE_CHECKING

import psutil

from holdfast_attack.cases.hygiene.ending import EXITS
from holdfast_attack.link.messages import decoded
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Eras, Found, Inconclusive, NotApplicable, Severity
from holdfast_attack.model.case import STDIO, alone, measured, spec
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

CALLED = 6
AGAIN = 3
"""Times that tools are called which may start a program."""
REAPED = 3.0
"""Seconds in which what has ended is taken notice of, or what has been started is ended."""
LOOKS = 60
FEW = 1
"""A process that waits to be reaped until the next is started is no leak (CPython's subprocess does so)."""


async def pollution(probe: Probe) -> int:
    """Standard output holds nothing but messages: at the start, while calls are made, and at the end."""
    _clean(await probe.stdio(), "while cases were played")
    async with probe.fresh_stdio() as session:
        await _call(probe, session, _worked(probe)[:CALLED])
        _clean(session, "while honest calls were made")
        session.close_stdin()
        await session.exited(EXITS)
        await sleep(0.05)  # what was written at the very end is on its way
        _clean(session, "when its input had ended")
        if session.unfinished.strip():
            raise Found("the last thing on its standard output is no whole message", got=session.unfinished[:1000])
    return 3


def _clean(session: StdioSession, when: str) -> None:
    # A list in answer to a batch is what JSON-RPC 2.0 has for it; it comes only where a case has sent one.
    junk = [line for line in session.junk if not isinstance(decoded(line), list)]
    if junk:
        raise Found(f"{when}, {len(junk)} lines on its standard output were no messages", got=b"\n".join(junk)[:2000])


def _worked(probe: Probe) -> list[str]:
    return [name for name, honest in probe.honest.items() if honest.worked]


async def _call(probe: Probe, session: StdioSession, names: list[str]) -> None:
    for name in names:
        await session.call(name, probe.honest[name].arguments, within=10.0)


async def orphans(probe: Probe) -> int:
    """When it has ended, so has all that it had started."""
    async with probe.fresh_stdio() as session:
        if session.tree is None:
            raise NotApplicable("its processes are not known")
        await _call(probe, session, _programs(probe) or _worked(probe)[:CALLED])
        session.tree.look()
        session.close_stdin()
        if await session.exited(EXITS) is None:
            session.signal(signal.SIGTERM)
        if await session.exited(EXITS) is None:
            raise Inconclusive("it does not end")
        left = await _left(session)
        if left:
            raise Found(f"it has ended, and left behind: {', '.join(left)}")
    return 1


async def _left(session: StdioSession) -> list[str]:
    """Names of the processes that still run after a while."""
    pids: tuple[int, ...] = ()
    for _ in range(LOOKS):
        pids = session.tree.pids() if session.tree else ()
        if not pids:
            break
        await sleep(REAPED / LOOKS)
    return [_name(pid) for pid in pids]


def _name(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())[:100] or "a process"
    except psutil.Error:
        return "a process that has ended since"


def _programs(probe: Probe) -> list[str]:
    """Tools that may start a program, among those that can be called."""
    named = probe.tools.with_role(Role.COMMAND, Role.ARGUMENT, allow_writes=probe.allow_writes)
    return list(dict.fromkeys(tool.name for tool, _ in named if tool.name in _worked(probe)))[:CALLED]


async def zombies(probe: Probe) -> int:
    """Processes that tools start are reaped when they end."""
    session = await probe.stdio()
    if session.tree is None:
        raise NotApplicable("its processes are not known")
    programs = _programs(probe) or _worked(probe)[:CALLED]
    for name in programs * AGAIN:
        await probe.call(name, probe.honest[name].arguments, within=10.0)
    tree = (await probe.stdio()).tree
    count = 0
    for _ in range(LOOKS):
        count = len(tree.zombies()) if tree else 0
        if count <= FEW:
            return max(1, len(programs) * AGAIN)
        await sleep(REAPED / LOOKS)
    raise Found(f"{count} processes that have ended are not reaped {REAPED:g} s after the last call")


CASES = (
    alone(
        id="hygiene.stdout-pollution",
        title="What is on standard output",
        severity=Severity.HIGH,
        sends="honest requests and calls to a new server, then the end of its input",
        sound="writes nothing but messages to its standard output",
        reference=spec("MCP 2025-11-25 and 2026-07-28, stdio: MUST NOT write to stdout what is no valid MCP message"),
        remedy="log to stderr; divert descriptor 1 before anything else is imported",
        play=pollution,
        transports=STDIO,
        seconds=60.0,
    ),
    alone(
        id="hygiene.orphans",
        title="Processes that outlive the server",
        severity=Severity.MEDIUM,
        sends="honest calls, then the end of its input (and SIGTERM when that does not end it)",
        sound=f"{REAPED:g} s after it has ended nothing runs any more that it had started",
        reference=measured("killpg misses a child that has called setsid, subprocess.run(timeout=) grandchildren"),
        remedy="end the whole tree of each program: a process group, a subreaper, and a sweep",
        play=orphans,
        transports=STDIO,
        eras=Eras.ONCE,
        seconds=60.0,
    ),
    Case(
        id="hygiene.zombies",
        title="Processes that are never reaped",
        severity=Severity.MEDIUM,
        sends=f"honest calls of tools that start programs, {AGAIN} times each",
        sound=f"{REAPED:g} s later none of them waits in the table of processes",
        reference=measured(
            "each keeps its place in the table (wait(2)) until the server ends, or cannot fork any more"
        ),
        remedy="wait for every process that you start",
        play=zombies,
        transports=STDIO,
        eras=Eras.ONCE,
        seconds=90.0,
    ),
)
