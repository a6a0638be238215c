"""Lines that are too long, too deep, too many, or never end, and what one of them costs the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import is_answer
from holdfast_attack.cases.wire.malformed import SILENT
from holdfast_attack.cases.wire.methods import UNKNOWN
from holdfast_attack.cases.wire.sends import ANSWERED, filled, lists, plays
from holdfast_attack.link.messages import encoded, key
from holdfast_attack.link.session import Gone
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Eras, Found, Inconclusive, Severity
from holdfast_attack.model.case import STDIO, advisory, measured

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

MEBIBYTE = 2**20
DEPTH = 100_000
LINE = 32 * MEBIBYTE
LONGEST = 256 * MEBIBYTE
"""In the full profile."""
ELEMENTS = 4 * MEBIBYTE
ROOM = 64 * MEBIBYTE
"""What 4 MiB of elements may cost: 16 times as much. Empty objects of 2 bytes and a comma cost CPython 25 times."""
PATIENCE = 30.0
LOOK = 0.1
"""Seconds between two looks at the memory: what is kept of a line until it ends is there for longer."""


async def long_line(probe: Probe) -> int:
    """One argument of many megabytes."""
    size = LONGEST if probe.full else LINE
    async with probe.fresh_stdio() as session:
        call = encoded(session.message("tools/call", {"name": _tool(probe), "arguments": {"text": "%text%"}}))
        before, after = call.split(b"%text%")
        line = before + b"x" * size + after + b"\n"
        await _spend(session, line, size, f"a line of {size // MEBIBYTE} MiB")
    return 1


async def endless_line(probe: Probe) -> int:
    """Megabytes without the end of a line; then the end of the line."""
    size = LONGEST if probe.full else LINE
    async with probe.fresh_stdio() as session:
        await _spend(session, b"x" * size + b"\n", size, f"{size // MEBIBYTE} MiB without the end of a line")
    return 1


async def elements(probe: Probe) -> int:
    """A line of some megabytes that is nothing but empty objects."""
    async with probe.fresh_stdio() as session:
        form = lists("", b"[" + b"{}," * (ELEMENTS // 3) + b"{}]")
        line = filled(form.raw, session.lane.version, session.message("tools/list")["id"]) + b"\n"
        await _spend(session, line, ROOM, f"a line of {ELEMENTS // MEBIBYTE} MiB with {ELEMENTS // 3:,} empty objects")
    return 1


def _tool(probe: Probe) -> str:
    """One that may be called and takes a text named so, or none that there is: it must be refused early anyway."""
    return next((tool.name for tool in probe.tools.callable(False) if tool.name == "echo"), UNKNOWN)


async def _spend(session: StdioSession, line: bytes, most: int, what: str) -> None:
    """Send a line and an honest request behind it. Raises ``Found`` when it costs more than ``most`` bytes."""
    if session.tree is None or (begun := session.tree.rss()) is None:
        raise Inconclusive("the server's memory cannot be seen")
    behind = session.message("tools/list")
    session.mark()
    async with session.tree.watch(LOOK) as seen:
        taken = await _written(session, line + encoded(behind) + b"\n")
        honest = await session.wait(lambda said: key(said.get("id")) == key(behind["id"]), PATIENCE if taken else 1.0)
    grown = (seen.peak or 0) - begun
    if grown > most:
        raise Found(f"{what}: the server's memory grew by {grown // MEBIBYTE} MiB")
    heard = await session.wait(lambda said: is_answer(said) and key(said.get("id")) != key(behind["id"]), 2.0)
    if honest is None and not (session.ended and heard is not None):
        raise Found(f"{what}: {_lost(session.ended, taken)}")
    if heard is None:
        raise Found(f"{what}: no answer; who waits for one waits for ever")


async def _written(session: StdioSession, data: bytes) -> bool:
    """Whether the server has taken all of it."""
    try:
        await session.write(data, PATIENCE)
    except (Gone, TimeoutError):
        return False
    return True


def _lost(ended: bool, taken: bool) -> str:
    if ended:
        return "the server ended without a word"
    return "nothing is answered any more" if taken else f"the server has not read on for {PATIENCE:g} s"


_SAID = "answers with an error (or ends the connection after it), or with a result; then honest requests again"
CASES = (
    Case(
        id="wire.deep",
        title="Nested a hundred thousand deep",
        severity=Severity.HIGH,
        sends=f"honest requests with {DEPTH:,} nested lists, and as many nested objects, in them",
        sound="answers: with an error that says it is too deep, or with a result",
        reference=measured(f"recursive parsers overflow their stack, which ends the process; {SILENT}"),
        remedy="bound the depth while parsing, and answer what is deeper with -32700",
        play=plays(
            lists(f"{DEPTH:,} nested lists", b"[" * DEPTH + b"]" * DEPTH, ANSWERED),
            lists(f"{DEPTH:,} nested objects", b'{"a":' * DEPTH + b"1" + b"}" * DEPTH, ANSWERED),
            lists(f"{DEPTH:,} lists that are never closed", b"[" * DEPTH, ANSWERED),
        ),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.long-line",
        title="A line of many megabytes",
        severity=Severity.HIGH,
        sends="a call with one argument of 32 MiB (256 MiB in the full profile)",
        sound=f"{_SAID}; its memory grows by less than the line is long",
        reference=measured("a line of 256 MB took the MCP Python SDK 2.3.0 from 64 to 1,345 MB of memory"),
        remedy="bound the length of a line while reading it; answer a longer one with an error and skip to its end",
        play=long_line,
        transports=STDIO,
        eras=Eras.ONCE,
        seconds=120.0,
        own=True,
    ),
    Case(
        id="wire.endless-line",
        title="A line that does not end",
        severity=Severity.HIGH,
        sends="32 MiB without a newline (256 MiB in the full profile), then a newline",
        sound=f"{_SAID}; its memory grows by less than the line is long",
        reference=measured("a line of 256 MB took the MCP Python SDK 2.3.0 from 64 to 1,345 MB"),
        remedy="bound the length of a line while reading it, not when it is whole",
        play=endless_line,
        transports=STDIO,
        eras=Eras.ONCE,
        seconds=120.0,
        own=True,
    ),
    Case(
        id="wire.elements",
        title="Millions of elements in a few megabytes",
        severity=Severity.HIGH,
        sends=f"a line of {ELEMENTS // MEBIBYTE} MiB that holds {ELEMENTS // 3:,} empty objects",
        sound=f"{_SAID}; its memory grows by less than {ROOM // MEBIBYTE} MiB",
        reference=advisory("CVE-2026-111768: unlimited elements within 4 MiB (measured: 4 MiB of {}, become 101 MiB)"),
        remedy="count elements before they become objects, and refuse what holds too many",
        play=elements,
        transports=STDIO,
        eras=Eras.ONCE,
        seconds=90.0,
        own=True,
        advisories=("CVE-2026-111768",),
    ),
)
