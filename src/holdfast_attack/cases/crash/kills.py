"""The server is killed and started anew, its worker is killed beneath it, and everything is stopped for a while."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from holdfast_attack.cases.crash.killing import (
    ANSWERED,
    Flight,
    kill,
    needs_own,
    send,
    serves_as_before,
    started_again,
    started_once_more,
    working,
)
from holdfast_attack.cases.load.volley import fire, mixture, take, tree_of
from holdfast_attack.cases.time.slow import Ask
from holdfast_attack.model import Eras, Found, NotApplicable, Severity
from holdfast_attack.model.case import alone, measured

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

REQUESTS = 60
KILLS = {False: 1, True: 4}
"""Times in a row, by whether the run may take long."""
SERVED = 0.15
"""Seconds of processor after which it shows who serves."""
BURSTS = 12
SHARE = 0.2
PAUSE = 1.5


async def _kill_server(probe: Probe) -> int:
    needs_own(probe)
    async with AsyncExitStack() as first:
        session = await started_once_more(probe, first)
        tree = tree_of(session)
        names, asks = await working(probe, session), await mixture(probe, session)
        async with Flight(session, take(asks, REQUESTS)) as flight:
            kill(tree.pids())
            await flight.landed()
    async with AsyncExitStack() as servers:
        await serves_as_before(probe, await started_again(probe, servers), names)
    return REQUESTS


async def _restart(probe: Probe) -> int:
    needs_own(probe)
    async with AsyncExitStack() as servers:
        session = await started_once_more(probe, servers)
        names, asks = await working(probe, session), await mixture(probe, session)
        for turn in range(KILLS[probe.full]):
            async with Flight(session, take(asks, REQUESTS)) as flight:
                await asyncio.sleep(0.01 * turn)
                kill(tree_of(session).pids()[:1])
                # What the killed one has started may still be at work while the next one starts.
                following = await started_again(probe, servers)
                await serves_as_before(probe, following, names)
                await flight.landed()
            session = following
    return KILLS[probe.full]


async def _kill_worker(probe: Probe) -> int:
    needs_own(probe)
    if not tree_of(await probe.session()).children():
        raise NotApplicable("the server is a single process")
    async with probe.fresh() as session:
        tree = tree_of(session)
        asks = await mixture(probe, session)
        worker = await _worker(session, tree, asks)
        async with Flight(session, take(asks, REQUESTS)) as flight:
            kill([worker])
            _, lost = await flight.landed()
        if not await _back(session):
            if lost:
                raise NotApplicable("the connection ends with the process that serves: nothing watches over it")
            raise Found(f"after its worker was killed it answers nothing any more ({ANSWERED:g} s)")
    return REQUESTS


async def _worker(session: Session, tree: Tree, asks: Iterator[Ask]) -> int:
    """The process beside the first that works most while requests are answered. Raises ``NotApplicable``."""
    before = tree.cpu()
    for _ in range(BURSTS):
        await fire(session, take(asks, REQUESTS))
        spent = {pid: used - before.get(pid, used) for pid, used in tree.cpu().items()}
        if sum(spent.values()) >= SERVED:
            break
    whole = sum(spent.values())
    others = [(pid, used) for pid, used in spent.items() if pid != tree.pid]
    pid, most = max(others, key=lambda each: each[1], default=(tree.pid, 0.0))
    if most <= SHARE * whole:
        raise NotApplicable("only its first process serves")
    return pid


async def _back(session: Session) -> bool:
    """Whether it answers within ``ANSWERED``; over HTTP nobody may listen for a moment."""
    end = asyncio.get_running_loop().time() + ANSWERED
    while (left := end - asyncio.get_running_loop().time()) > 0:
        if await session.alive(left):
            return True
        await asyncio.sleep(0.1)
    return False


async def _pause(probe: Probe) -> int:
    needs_own(probe)
    async with probe.fresh() as session:
        asks = await mixture(probe, session)
        stopped = tree_of(session).pids()
        send(stopped, signal.SIGSTOP)
        async with Flight(session, take(asks, REQUESTS)) as flight:
            try:
                await asyncio.sleep(PAUSE)
            finally:
                send(reversed(stopped), signal.SIGCONT)
            _, lost = await flight.landed()
        if lost or not await session.alive(ANSWERED):
            raise Found(f"after it was stopped for {PAUSE:g} s {lost} of {REQUESTS} requests were lost")
    return REQUESTS


CASES = (
    alone(
        id="crash.kill-server",
        title="After kill -9 a new start serves as before",
        severity=Severity.HIGH,
        sends=f"kill -9 to all of its processes with {REQUESTS} requests under way, then a new start in the same "
        "folder, and the same honest calls as before",
        sound="starts, and each tool works as before: no stale lock, no half-written state",
        reference=measured(
            "of 100 kills while a server wrote its state in place 94 left a file that could not be read afterwards"
        ),
        remedy="write state by a temporary file and rename, or SQLite; let locks be the kernel's (flock), which end "
        "with their process",
        play=_kill_server,
        eras=Eras.ONCE,
        seconds=60.0,
    ),
    alone(
        id="crash.restart",
        title="It starts again right after its first process was killed, again and again",
        severity=Severity.MEDIUM,
        sends=f"kill -9 to its first process alone ({KILLS[True]} times in a row when it may take long), with requests "
        "under way, and at once a new start in the same folder",
        sound="starts each time, although what the killed one had started may still be there, and serves as before",
        reference=measured(
            "a client that lost its server starts it anew at once; a lock or port that an orphan holds "
            "keeps it from coming up"
        ),
        remedy="end children with their parent (a pipe that closes, PR_SET_PDEATHSIG), and do not keep what is shared "
        "locked across a start",
        play=_restart,
        eras=Eras.ONCE,
        seconds=90.0,
    ),
    alone(
        id="crash.kill-worker",
        title="A client does not hang when a worker dies",
        severity=Severity.HIGH,
        sends=f"{REQUESTS} requests, and meanwhile kill -9 to the process beside the first that serves them",
        sound=f"gives each request one answer within {ANSWERED:g} s, be it an error, or lets the client see that the "
        "connection is lost; and serves on",
        reference=measured(
            "a client of FastMCP 4.1 hangs when the child behind its server dies (#499); a supervisor that answers "
            "what was lost with an error let 16 callers through ten kills without one hanging call"
        ),
        remedy="watch over workers, know what each had been asked, and answer it with an error when it dies",
        play=_kill_worker,
        seconds=60.0,
    ),
    alone(
        id="crash.pause",
        title="Requests that come while it is stopped are answered when it goes on",
        severity=Severity.MEDIUM,
        sends=f"SIGSTOP to all of its processes, {REQUESTS} requests, and {PAUSE:g} s later SIGCONT",
        sound=f"answers each of them once within {ANSWERED:g} s of going on",
        reference=measured(
            "a machine that sleeps, a debugger and a frozen container stop a server for seconds; its "
            "clients wait, as the pipe is still there"
        ),
        remedy="measure time by a monotonic clock, and look again before a deadline that seems over ends anything",
        play=_pause,
        seconds=60.0,
    ),
)
