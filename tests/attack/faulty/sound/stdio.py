"""The server over a pair of pipes: bounded lines, bounded answers, and an end when the client or a signal says so."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from sound.calls import Call, Peer
from sound.errors import INVALID_REQUEST, Refused

if TYPE_CHECKING:
    from sound.server import Sound

CHUNK = 65_536
LOOK = 0.25  # seconds between looks at whether the client's end of the input is closed


class Stdio:
    """One client. What is heard is not read on before its answer, or refusal, was taken."""

    def __init__(self, server: Sound) -> None:
        self.server = server
        self.peer = Peer()
        self.turn = asyncio.Lock()
        self.tasks: set[asyncio.Task[None]] = set()  # bounded by the calls that are admitted
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def serve(self) -> None:
        """Until the input ends, the output breaks, or a signal comes."""
        await self.connect()
        reading = asyncio.create_task(self.read())
        ends = {reading, asyncio.create_task(self.server.stopping.wait()), asyncio.create_task(self.hung_up())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if reading.done() and self.tasks:
            await asyncio.wait(self.tasks, timeout=self.server.LAST_ANSWERS)
        for task in (*ends, *self.tasks):
            task.cancel()

    async def connect(self) -> None:
        """The descriptors as streams; whatever a tool prints is none of the protocol's."""
        loop = asyncio.get_running_loop()
        heard, told = os.dup(0), os.dup(1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        self.input = heard
        self.reader = asyncio.StreamReader(CHUNK)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self.reader), os.fdopen(heard, "rb", 0))
        flow = asyncio.streams.FlowControlMixin
        transport, protocol = await loop.connect_write_pipe(flow, os.fdopen(told, "wb", 0))
        self.writer = asyncio.StreamWriter(transport, protocol, None, loop)

    async def hung_up(self) -> None:
        """Return when the client has closed its end although what it wrote is not read, for nothing takes answers."""
        poll = select.poll()
        poll.register(self.input, 0)
        stuck = 0
        while stuck < self.server.HELD_UP / LOOK:
            await asyncio.sleep(LOOK)
            closed = self.writer.transport.get_write_buffer_size() and poll.poll(0)
            stuck = stuck + 1 if closed else 0

    async def read(self) -> None:
        """Take lines until the end of the input."""
        try:
            async for line in self.lines():
                await self.heard(line)
        except (ConnectionError, BrokenPipeError):
            self.server.stopping.set()

    async def lines(self) -> AsyncIterator[bytes | None]:
        """Lines without their end; None once for each that is too long, which is dropped as it comes."""
        held, skipping = bytearray(), False
        while chunk := await self.reader.read(CHUNK):
            *ended, rest = chunk.split(b"\n")
            for part in ended:
                line, held = held + part, bytearray()
                if skipping:
                    skipping = False
                else:
                    yield None if self.server.too_long(len(line), ended=True) else bytes(line)
            if not skipping:
                held += rest
            if self.server.too_long(len(held), ended=False):
                held, skipping = bytearray(), True
                yield None
        if held and not skipping:
            yield bytes(held)

    async def heard(self, line: bytes | None) -> None:
        """One line; an empty one is none."""
        taken: Any = None
        try:
            if line is None:
                raise Refused(INVALID_REQUEST, "the line is too long")
            if line.strip():
                taken = self.server.take(self.peer, self.server.parse(line))
        except Refused as refused:
            taken = self.server.refusal(refused)
        if isinstance(taken, Call):
            task = asyncio.create_task(self.complete(taken))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif taken is not None:
            await self.send(taken)

    async def complete(self, call: Call) -> None:
        """Answer a call when it is done; its place is free when the client has taken the answer."""
        try:
            answer = await self.server.run(self.peer, call)
            if answer is not None:
                await self.send(answer)
        except (ConnectionError, BrokenPipeError):
            self.server.stopping.set()
        finally:
            self.server.release(call)

    async def send(self, message: dict[str, Any]) -> None:
        """One line; returns when the client keeps up. No other is made into bytes before."""
        async with self.turn:
            self.writer.write(self.server.rendered(message) + b"\n")
            await self.server.taken_in(self.writer)
