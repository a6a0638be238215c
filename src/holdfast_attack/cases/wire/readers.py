"""A client that asks for much and does not read: what the server keeps, and whether it can still be ended."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.bounds import LOOK
from holdfast_attack.cases.wire.hearing import Answers, Message, tell
from holdfast_attack.cases.wire.idle import Idle
from holdfast_attack.cases.wire.streams import SHUTDOWN
from holdfast_attack.link.messages import encoded, key
from holdfast_attack.link.session import Gone
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Eras, Found, Inconclusive, Severity
from holdfast_attack.model.case import STDIO, alone, measured

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

MEBIBYTE = 2**20
WANTED = 64 * MEBIBYTE
"""Bytes of answers that are asked for while nothing is read."""
ROOM = 32 * MEBIBYTE
"""What a server may grow by: a pool of threads, a few answers that are ready, the pieces that a loop reads ahead."""
LARGE = 8_192
"""Bytes of an answer that is worth asking for many times."""
PADDINGS = (32_768, 4_096, 400, 1)
"""Characters of an id, which every answer repeats, where no tool has large answers; the longest that is taken."""
MOST = 1_000
PATIENCE = 5.0
STALLED = 3.0
"""Seconds in which requests are written that it may not read."""
LONGEST = 30.0
PARKED = 200
FILLS = 256 * 1024
"""Bytes of answers that fill any pipe (pipe(7): 64 KiB)."""
EXITS = 12.0
RESUMED = 20.0


@dataclass(frozen=True, slots=True)
class Flood:
    """Requests whose answers are large, and how large about."""

    lines: list[bytes]
    answers: Answers
    what: str


async def _flood(probe: Probe, session: StdioSession) -> Flood:
    """Calls of the tool that answered most when the lane began; where that is little, requests with long ids."""
    known = [(len(honest.reply.raw), name, honest) for name, honest in probe.honest.items() if honest.worked]
    size, name, honest = max(known, key=lambda one: one[:2], default=(0, "", None))
    made: list[Message]
    if honest is not None and size >= LARGE:
        call = {"name": name, "arguments": honest.arguments}
        made = [session.message("tools/call", call) for _ in range(WANTED // size)]
        what = f"{len(made):,} calls of {name}, which answers with {size:,} bytes"
    else:
        length, size = await _longest_id(session)
        made = [_padded(session.message("tools/list"), length) for _ in range(min(MOST, WANTED // size))]
        what = f"{len(made):,} requests whose ids, which answers repeat, have {length:,} characters"
    return Flood([encoded(message) + b"\n" for message in made], Answers.to(made), what)


async def _longest_id(session: StdioSession) -> tuple[int, int]:
    """How long an id may be that the server takes, of some lengths; and how large the answer is then."""
    for length in PADDINGS:
        message = _padded(session.message("tools/list"), length)
        heard = await tell(session, encoded(message))
        if heard is not None and key(heard.message.get("id")) == key(message["id"]):
            return length, len(heard.raw)
    raise Inconclusive("no request that it answers was found")


def _padded(message: Message, length: int) -> Message:
    return message | {"id": str(message["id"]).ljust(length, "x")}


async def stops(probe: Probe) -> int:
    """Ask and do not read: the server stops reading or refuses; read again, it goes on and answers each."""
    async with probe.fresh_stdio() as session:
        if session.tree is None or (begun := session.tree.rss()) is None:
            raise Inconclusive("the server's memory cannot be seen")
        flood = await _flood(probe, session)
        session.mark()
        session.pause()
        pour = Pour(session, flood.lines)
        try:
            async with session.tree.watch(LOOK) as seen:
                await pour.settled()
            grown = (seen.peak or 0) - begun
            if grown > ROOM:
                raise Found(f"while nobody read, {flood.what}: its memory grew by {grown // MEBIBYTE} MiB")
            session.resume()
            await _whole(session, flood, pour)
        finally:
            await pour.end()
    return 1


class Pour:
    """Writes lines one after the other for as long as the server takes them."""

    def __init__(self, session: StdioSession, lines: list[bytes]) -> None:
        self._session, self._lines = session, lines
        self.written = 0
        self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        for line in self._lines:
            await self._session.write(line, LONGEST)
            self.written += 1

    async def settled(self) -> None:
        """Until the server has nothing to do any more: it has read all, or stopped reading."""
        end = time.monotonic() + LONGEST
        idle = Idle(self._session.tree)
        while time.monotonic() < end:
            written = self.written
            await asyncio.wait((self._task,), timeout=LOOK)
            await asyncio.sleep(LOOK)
            if idle.look() and self.written == written:
                return

    async def done(self, within: float) -> bool:
        """Whether everything was written after so many seconds; raises ``Gone`` when nobody could read it."""
        await asyncio.wait((self._task,), timeout=within)
        if self._task.done():
            self._task.result()
        return self._task.done()

    async def end(self) -> None:
        """Write no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def _whole(session: StdioSession, flood: Flood, pour: Pour) -> None:
    """Raises ``Found`` unless every request is answered once; a refusal may leave the id out."""
    answers = flood.answers
    if not await pour.done(RESUMED):
        raise Found(f"{flood.what}: when its answers were read at last, it did not read on for {RESUMED:g} s")
    await session.wait(lambda message: answers(message) or answers.missing <= answers.others, RESUMED)
    if answers.missing > answers.others:
        if session.ended:
            raise Gone("its output ended when it was read again")
        raise Found(f"{flood.what}: when they were read at last, {answers.missing:,} answers never came")
    if answers.twice:
        raise Found(f"{flood.what}: {answers.twice:,} were answered more than once")


async def parked(probe: Probe) -> int:
    """Ask, do not read, and end the input: the server ends."""
    async with probe.fresh_stdio() as session:
        reply = await session.ask("tools/list", within=PATIENCE)
        number = min(MOST, max(PARKED, FILLS // max(1, len(reply.raw))))
        requests = b"".join(encoded(session.message("tools/list")) + b"\n" for _ in range(number))
        session.pause()
        with suppress(TimeoutError):  # it may have stopped reading
            await session.write(requests, STALLED)
        session.close_stdin()
        if await session.exited(EXITS) is None:
            raise Found(f"{EXITS:g} s after its input has ended it waits for somebody to read {number} answers")
    return 1


CASES = (
    Case(
        id="wire.reader-stops",
        title="A client that asks for much and does not read",
        severity=Severity.HIGH,
        sends=f"requests for {WANTED // MEBIBYTE} MiB of answers, of which nothing is read; then they are read",
        sound=f"stops reading or refuses; grows by less than {ROOM // MEBIBYTE} MiB; then answers each once",
        reference=measured("100 answers of 5 MB wait in the memory of the MCP Python SDK 2.3.0 while nobody reads"),
        remedy="stop reading input while output cannot be written: a bounded queue of answers, and backpressure",
        play=stops,
        transports=STDIO,
        eras=Eras.ONCE,
        seconds=120.0,
        own=True,
    ),
    alone(
        id="wire.reader-parked",
        title="The input ends while nobody reads the answers",
        severity=Severity.MEDIUM,
        sends=f"requests for {FILLS // 1024} KiB of answers, which nobody reads, then the end of the input",
        sound=f"ends within {EXITS:g} s",
        reference=measured("the MCP Python SDK 2.3.0 does not end while its output is full; " + SHUTDOWN),
        remedy="give up what cannot be written some seconds after the input has ended",
        play=parked,
        transports=STDIO,
        eras=Eras.ONCE,
        seconds=45.0,
    ),
)
