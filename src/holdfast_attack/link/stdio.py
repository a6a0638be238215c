"""A raw client over the standard input and output of a server that it started."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast_attack.link.lines import LONGEST, Lines
from holdfast_attack.link.messages import (
    INITIALIZED,
    answer,
    decoded,
    encoded,
    initialize,
    is_message,
    is_modern,
    key,
    request,
)
from holdfast_attack.link.pipe import Reader, Writer
from holdfast_attack.link.reply import KEPT, Reply
from holdfast_attack.link.session import Ear, Gone
from holdfast_attack.link.transcript import Transcript
from holdfast_attack.model import Lane

if TYPE_CHECKING:
    from holdfast_attack.target.launch import Running
    from holdfast_attack.target.tree import Tree

MESSAGES = 20_000
"""Messages that are remembered."""
JUNK = 100
"""Lines on stdout that are no messages, of which so many are kept."""
STDERR = 262_144


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, and the line that it came in (cut at 1 MiB)."""

    message: dict[str, Any]
    raw: bytes


class StdioSession:
    """See ``Session``; more is here to break what can be broken with pipes."""

    def __init__(self, lane: Lane, running: Running, ear: Ear) -> None:
        self.lane = lane
        self.transcript = Transcript()
        self.tree: Tree | None = running.tree
        self.pid = running.pid
        self.greeting: dict[str, Any] = {}
        self.messages: deque[Heard] = deque(maxlen=MESSAGES)
        self.junk: list[bytes] = []
        self.stderr = b""
        self.stdout_bytes = 0
        self._running, self._ear = running, ear
        self._lines = Lines()
        self._number = 0
        self._waiting: dict[tuple[str, Any], asyncio.Future[Heard]] = {}
        self._news = asyncio.Event()
        self.ended = False
        """Its output has ended."""
        self._writer = Writer(running.stdin)
        self._out = Reader(running.stdout, self._hear, self._over)
        self._err = Reader(running.stderr, self._complain, lambda: None)

    async def greet(self, within: float) -> Reply:
        """Begin as the era wants it; the reply to the first request, which may be silence. Raises ``Gone``."""
        if is_modern(self.lane.version):
            reply = await self.ask("server/discover", within=within)
        else:
            reply = await self._asked(initialize(self.lane.version, self._next()), within)
            if reply.result is not None:
                await self.write(encoded(INITIALIZED) + b"\n")
        self.greeting = reply.result or {}
        return reply

    async def ask(
        self, method: str, params: Mapping[str, Any] | None = None, *, within: float = 5.0, id: Any = None
    ) -> Reply:
        """See ``Session``."""
        return await self._asked(self.message(method, params, id=id), within)

    async def call(self, tool: str, arguments: Any, *, within: float = 5.0) -> Reply:
        """See ``Session``."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments}, within=within)

    async def alive(self, within: float = 5.0) -> bool:
        """See ``Session``."""
        try:
            reply = await self.ask("tools/list", within=within)
        except (Gone, TimeoutError):
            return False
        return not reply.silent

    def message(self, method: str, params: Mapping[str, Any] | None = None, *, id: Any = None) -> dict[str, Any]:
        """See ``Session``."""
        return request(self.lane.version, method, params, self._next() if id is None else id)

    async def write(self, data: bytes, within: float = 5.0) -> None:
        """Send bytes as they are. Raises ``Gone``, and ``TimeoutError`` while the server does not read."""
        self.transcript.wrote(data)
        await self._writer.write(data, within)

    async def wait(self, wanted: Callable[[dict[str, Any]], bool], within: float) -> Heard | None:
        """The first message since ``mark`` that is wanted, or one that comes within so many seconds."""
        end = time.monotonic() + within
        looked = 0
        while True:
            heard = list(self.messages)
            for one in heard[looked:]:
                if wanted(one.message):
                    return one
            looked = len(heard)
            self._news.clear()
            if self.ended:
                return None
            try:
                await asyncio.wait_for(self._news.wait(), max(0.0, end - time.monotonic()))
            except TimeoutError:
                return None

    def mark(self) -> None:
        """Forget the messages that have come."""
        self.messages.clear()

    def pause(self) -> None:
        """Stop reading its output: the pipe fills."""
        self._out.pause()

    def resume(self) -> None:
        """Read again."""
        self._out.resume()

    def close_stdin(self) -> None:
        """The server reads the end of its input."""
        self._writer.close()

    def close_stdout(self) -> None:
        """Nobody reads its output any more."""
        self._out.close()
        self._over()

    def signal(self, number: int) -> None:
        """Send a signal to the process that was started."""
        self._running.signal(number)

    async def exited(self, within: float) -> int | None:
        """Its exit status, a signal below zero; None when it has not ended after so many seconds."""
        return await self._running.exited(within)

    async def close(self) -> None:
        """End it and everything that it has started, at once."""
        self._writer.close()
        await self._running.end()
        self._out.close()
        self._err.close()
        self._over()

    @property
    def unfinished(self) -> bytes:
        """What has come on its standard output without the end of a line."""
        return self._lines.rest

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _asked(self, message: dict[str, Any], within: float) -> Reply:
        if self.ended:
            raise Gone("its output has ended")
        place = key(message.get("id"))
        arrival: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._waiting[place] = arrival
        begun = time.monotonic()
        try:
            async with asyncio.timeout(within):
                await self.write(encoded(message) + b"\n", within)
                heard = await arrival
        except TimeoutError:
            return Reply(None, seconds=time.monotonic() - begun)
        finally:
            self._waiting.pop(place, None)
            if not arrival.cancel() and not arrival.cancelled():
                arrival.exception()  # it was told that the server is gone, as the write was
        return Reply(heard.message, heard.raw, time.monotonic() - begun)

    def _hear(self, data: bytes) -> None:
        self.stdout_bytes += len(data)
        self.transcript.read(data)
        self._ear("stdout", data)
        for line in self._lines.feed(data):
            self._line(line)

    def _line(self, line: bytes) -> None:
        message = decoded(line) if len(line) < LONGEST else None
        if not is_message(message):
            if line.strip() and len(self.junk) < JUNK:
                self.junk.append(line[:KEPT])
            return
        heard = Heard(message, line[:KEPT])
        self.messages.append(heard)
        self._news.set()
        if "method" not in message:
            arrival = self._waiting.get(key(message.get("id")))
            if arrival is not None and not arrival.done():
                arrival.set_result(heard)
        elif "id" in message:
            self._running.owns(asyncio.ensure_future(self._reply(message)))

    async def _reply(self, asked: dict[str, Any]) -> None:
        try:
            await self.write(encoded(answer(asked)) + b"\n", 2.0)
        except (Gone, TimeoutError):
            return  # it asked, and does not listen

    def _complain(self, data: bytes) -> None:
        self.stderr = (self.stderr + data)[-STDERR:]
        self._ear("stderr", data)

    def _over(self) -> None:
        self.ended = True
        self._news.set()
        for arrival in self._waiting.values():
            if not arrival.done():
                arrival.set_exception(Gone("its output ended while an answer was awaited"))
