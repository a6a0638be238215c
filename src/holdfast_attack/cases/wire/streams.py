"""Half lines, slow writers, readers that stop, pipes that are closed early, signals."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import PATIENCE, is_answer, send
from holdfast_attack.cases.wire.idle import wait_out
from holdfast_attack.link.messages import encoded, key
from holdfast_attack.link.session import Gone
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Eras, Found, Severity
from holdfast_attack.model.case import STDIO, alone, measured, spec

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

EXITS = 8.0
"""Seconds in which a server must have ended; official clients wait 2 before SIGTERM, and 2 more before SIGKILL."""
SHUTDOWN = "MCP 2026-07-28, stdio, Shutdown: servers SHOULD exit promptly when their standard input is closed"
PIECES = 50
HARMLESS = (signal.SIGCHLD, signal.SIGCONT, signal.SIGWINCH, signal.SIGURG)
"""Their default is to be ignored (POSIX, signal.h): a terminal or a child of another program's sends them."""


async def half_line(probe: Probe) -> int:
    """Half a request, then the end of the input."""
    async with probe.fresh_stdio() as session:
        whole = encoded(session.message("tools/list"))
        await send(session, whole[: len(whole) // 2])
        session.close_stdin()
        await _ends(session, "half a line and the end of its input")
    return 1


async def _ends(session: StdioSession, after: str, within: float = EXITS) -> None:
    if await session.exited(within) is None:
        raise Found(f"{within:g} s after {after} it has not ended")


async def slow_writer(probe: Probe) -> int:
    """An honest request in many pieces."""
    session = await probe.stdio()
    message = session.message("tools/list")
    line = encoded(message) + b"\n"
    step = max(1, len(line) // PIECES)
    session.mark()
    for start in range(0, len(line), step):
        await send(session, line[start : start + step])
        await asyncio.sleep(0.5 / PIECES)
    heard = await session.wait(lambda said: is_answer(said) and key(said.get("id")) == key(message["id"]), PATIENCE)
    if heard is None:
        raise Found(f"an honest request that came in {PIECES} pieces is not answered within {PATIENCE:g} s")
    if "error" in heard.message and probe.tools.tools:
        raise Found(f"an honest request that came in {PIECES} pieces is refused", got=heard.raw)
    return 1


async def early_close(probe: Probe) -> int:
    """Nobody reads its output any more, and it has something to say; then its input ends too."""
    async with probe.fresh_stdio() as session:
        session.close_stdout()
        try:
            for _ in range(3):
                await send(session, encoded(session.message("tools/list")) + b"\n")
                await asyncio.sleep(0.05)
        except Gone:  # it has ended already, as it may
            pass
        if await session.exited(1.0) is None:
            session.close_stdin()
            await _ends(session, "its output was closed, and its input too")
    return 1


async def signals(probe: Probe) -> int:
    """Harmless signals change nothing; SIGTERM sent twice ends it like SIGTERM sent once."""
    async with probe.fresh_stdio() as session:
        for number in HARMLESS:
            session.signal(number)
        await wait_out(session, lambda _: False, 0.2)
        if session.ended or not await session.alive(PATIENCE):
            raise Found(f"after {', '.join(number.name for number in HARMLESS)} it answers no more")
        request = encoded(session.message("tools/list")) + b"\n"
        await send(session, request * 20)
        session.signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
        session.signal(signal.SIGTERM)
        await _ends(session, "SIGTERM was sent twice while requests were under way")
    return len(HARMLESS) + 1


_ending = partial(alone, transports=STDIO, eras=Eras.ONCE, seconds=45.0)

CASES = (
    _ending(
        id="wire.half-line",
        title="Half a line, then the end",
        severity=Severity.MEDIUM,
        sends="the first half of a request without the end of its line, then the end of the input",
        sound=f"ends within {EXITS:g} s",
        reference=spec(SHUTDOWN),
        remedy="treat the end of the input as the end, also in the middle of a line",
        play=half_line,
    ),
    Case(
        id="wire.slow-writer",
        title="A request that comes in many pieces",
        severity=Severity.MEDIUM,
        sends=f"an honest request in about {PIECES} writes over half a second",
        sound="answers it",
        reference=spec("MCP 2025-11-25, Transports, stdio: messages are delimited by newlines (and not by reads)"),
        remedy="collect what is read until a newline comes",
        play=slow_writer,
        transports=STDIO,
        seconds=45.0,
    ),
    _ending(
        id="wire.early-close",
        title="Its output is closed while it has something to say",
        severity=Severity.MEDIUM,
        sends="closes the reading end of its output, sends requests, then closes its input",
        sound=f"ends, at the latest {EXITS:g} s after its input has ended",
        reference=spec(f"{SHUTDOWN}; write(2): EPIPE, SIGPIPE"),
        remedy="take a write that fails for the end of the connection",
        play=early_close,
    ),
    _ending(
        id="wire.signals",
        title="Harmless signals, and SIGTERM twice",
        severity=Severity.MEDIUM,
        sends="SIGCHLD, SIGCONT, SIGWINCH and SIGURG; then SIGTERM twice while requests are under way",
        sound=f"answers after the first four, and ends within {EXITS:g} s after the others",
        reference=measured("launchers and terminals send these; a handler that cannot be entered twice hangs there"),
        remedy="leave signals alone that are ignored by default, and let a second SIGTERM end what the first one began",
        play=signals,
    ),
)
