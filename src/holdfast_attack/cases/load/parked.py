"""Answers that nobody reads: they wait in bounded memory, and do not keep the server from ending."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from holdfast_attack.arena.planting import planted_folder
from holdfast_attack.cases.load.volley import LIST, calm, settled, tree_of
from holdfast_attack.cases.time.slow import Ask, needs_own
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Finding, Found, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import STDIO, alone, measured
from holdfast_attack.tools import Role, conforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast_attack.link.stdio import StdioSession
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

PARKED = 384 * 2**20
"""Bytes of answers that are asked for at most, and that nobody takes."""
MOST = 128 * 2**20
"""Bytes by which memory may grow while requests are read on; the bare SDK holds every answer, and more than once."""
BLOCKED = 256 * 2**20
"""And where it reads no further, so that nothing more can come."""
REQUESTS = 4_000
EVERY = 8
TEXTS = (200_000, 60_000, 8_000, 1_000)
TIMES = (5_000, 1_000, 200)
FOLDER, FILE = "odd-parked", "large.txt"
FILE_BYTES = 2**19
READING = 0.5
"""Seconds in which a server takes what was written, or does not any more."""
BUSY = 0.1
"""Of a processor: one that works will read on."""
PATIENCE = 20.0
ENDING = 10.0
"""Seconds until it must have ended after the end of its input; a client would send SIGTERM after 2."""


async def _parked(probe: Probe) -> int:
    needs_own(probe)
    with planted_folder(probe.arena.workspace, FOLDER) as folder:
        (folder / FILE).write_text("a line of a large file\n" * (FILE_BYTES // 23))
        async with probe.fresh_stdio() as session:
            ask, size = await _largest(probe, session)
            if size * REQUESTS < 2 * MOST:
                raise NotApplicable(f"the largest answer that was found has {size:,} bytes: too few of them could wait")
            number, findings = await _unread(session, ask, size)
    if findings:
        raise FoundSeveral(tuple(findings))
    return number


async def _largest(probe: Probe, session: StdioSession) -> tuple[Ask, int]:
    """The request with the longest answer that was found, and how many bytes that has."""
    best, size = LIST, 0
    for ask in (LIST, *_candidates(probe)):
        reply = await session.ask(ask.method, ask.params, within=5.0)
        if reply.result is not None and not reply.failed and len(reply.raw) > size:
            best, size = ask, len(reply.raw)
    if not size:
        raise Found("not even a list of the tools comes back")
    return best, size


def _candidates(probe: Probe) -> Iterator[Ask]:
    """Calls of tools that repeat a text, read a file, or make as much as they are told."""
    for tool in probe.tools.callable(probe.allow_writes):
        honest = probe.honest.get(tool.name)
        if honest is None or not honest.worked:
            continue
        for arguments in _larger(tool, honest.arguments):
            if conforms(tool.schema, arguments):
                yield Ask(f"the tool {tool.name!r}", "tools/call", {"name": tool.name, "arguments": arguments})
                break


def _larger(tool: Any, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    texts, counts = tool.with_role(Role.TEXT), tool.with_role(Role.COUNT)
    for text in texts[:1]:
        for count in counts[:1]:
            yield from (count.put(text.put(arguments, "x" * 1_000), times) for times in TIMES)
        yield from (text.put(arguments, "x" * length) for length in TEXTS)
    for path in tool.with_role(Role.PATH)[:1]:
        yield path.put(arguments, f"{FOLDER}/{FILE}")


async def _unread(session: StdioSession, ask: Ask, size: int) -> tuple[int, list[Finding]]:
    """How many were asked for, and what is wrong."""
    tree = tree_of(session)
    await calm(tree)
    before = await settled(tree)
    session.pause()
    sent = grown = 0
    taken = True
    while taken and sent < min(REQUESTS, PARKED // size) and grown <= MOST:
        line = encoded(session.message(ask.method, ask.params)) + b"\n"
        taken = await _taken(session, line, tree)
        sent += taken
        if sent % EVERY == 0 or not taken:
            grown = (tree.rss() or before) - before
    if taken:
        grown = max(grown, await _grown(tree, before))
    findings = []
    if grown > (MOST if taken else BLOCKED):
        what = f"of {sent} answers that nobody reads ({ask.name}) it holds {grown >> 20} MiB"
        findings.append(Finding(what, sent=encoded(ask.params)))
    session.close_stdin()
    if await session.exited(ENDING) is None:
        findings.append(Finding(f"with answers that nobody reads it has not ended {ENDING:g} s after its input did"))
    return sent, findings


async def _taken(session: StdioSession, line: bytes, tree: Tree) -> bool:
    """Whether it goes on reading; one that is only slow is waited for."""
    writing = asyncio.create_task(session.write(line, within=PATIENCE))
    try:
        while not (await asyncio.wait({writing}, timeout=READING))[0]:
            if await tree.busy(READING) < BUSY and not writing.done():
                return False
        writing.result()
    except (TimeoutError, Gone):
        return False  # it has ended, rather than hold them
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    return True


async def _grown(tree: Tree, before: int) -> int:
    """By how many bytes its memory has grown when it does no more work."""
    end = asyncio.get_running_loop().time() + PATIENCE
    async with tree.watch() as watched:
        while (watched.peak or 0) <= before + MOST and await tree.busy(READING) > BUSY:
            if asyncio.get_running_loop().time() > end:
                break
    return (watched.peak or before) - before


CASES = (
    alone(
        id="load.results-parked",
        title="Answers that nobody reads are held in bounded memory",
        severity=Severity.HIGH,
        sends=f"requests for {PARKED >> 20} MiB of answers (the largest that a tool, or the list of tools, gives) "
        "while nobody reads them; then the end of the input",
        sound=f"reads no further, refuses or ends before its memory has grown by {MOST >> 20} MiB (one that reads no "
        f"further may hold {BLOCKED >> 20} MiB), and ends within {ENDING:g} s of the end of its input",
        reference=measured(
            "the bare SDK 2.3 held 100 results of 5 MB for a client that did not read, and did not end with its input"
        ),
        remedy="bound what waits to be written, stop reading requests while it is full, and give up writing at the end",
        play=_parked,
        transports=STDIO,
        seconds=60.0,
    ),
)
