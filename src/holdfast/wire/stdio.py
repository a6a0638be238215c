"""MCP over standard input and output: strict lines in, whole lines out, a clean end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container
from contextlib import suppress
from typing import Any, Protocol

from pydantic_core import PydanticSerializationError, to_json

from holdfast.safe.json import Bounds
from holdfast.safe.json import dumps as careful_dumps
from holdfast.wire.messages import INVALID_REQUEST, PARSE_ERROR, Malformed, Message, guess_id, parse, same_id
from holdfast.wire.pipes import Intake, Outlet, Oversized
from holdfast.wire.streams import Stream

DRAIN = 1.5
"""Seconds that calls under way get after the client closed its end; clients send SIGTERM after 2 s (SDK 2.3)."""
FLUSH = 0.5
"""Seconds for the last answers to reach a client that still reads."""
LOOK = 0.25
"""Seconds between two looks whether a client that does not read its answers has left: nothing else tells of it while
its requests are left in the pipe."""
LOADING = 5.0
"""Seconds more for what the dispatcher above needs to be loaded, which takes one on an idle machine."""
MAX_UNDER_WAY = 1_024
"""Requests of one connection under way at once, unless a setting says otherwise (``limits.in_flight``). Calls are
bounded below that by ``limits.total`` and by each tool's places and queue; this bounds whatever else could be asked and
never be answered."""
BUSY = -32000
"""JSON-RPC 2.0, section 5.1: from here down to -32099 servers have codes of their own."""
_BUSY = "busy: {} requests are under way; wait for their answers, then try again"
MAX_COMPLAINTS = 100
"""Error replies to malformed lines in one second; past that a flood of garbage is only counted."""


class Codec(Protocol):
    """Turns messages into what the dispatcher above takes, and back."""

    def inbound(self, message: Message, unanswered: Callable[[], Any]) -> Any:
        """The dispatcher's form of a message; ``unanswered`` is to be called when a request ends without an answer."""
        ...

    def outbound(self, item: Any) -> dict[str, Any]:
        """The wire form of what the dispatcher sends."""
        ...


class Keeper(Protocol):
    """Keeps requests until they are answered, for whoever goes on when this process is lost. Each is known by the one
    form of its id (``same_id``)."""

    def begin(self, key: int | str, line: bytes) -> None:
        """Keep a request as it came."""
        ...

    def resumed(self, key: int | str, slot: int) -> None:
        """This one was kept by a worker before, in ``slot``."""
        ...

    def answered(self, key: int | str) -> None:
        """Its answer is in what is written next."""
        ...

    def dropped(self, key: int | str) -> None:
        """It needs no answer any more."""
        ...


class Lines(Stream):
    """Both streams of one connection: iterate it to receive, ``send`` to answer.

    It knows which requests are under way, so a second request with an id in use is refused, and the end of input waits
    for their answers.
    """

    def __init__(self, intake: Intake, outlet: Outlet, codec: Codec | None, bounds: Bounds) -> None:
        self._intake = intake
        self._outlet = outlet
        self._codec = codec
        self._bounds = bounds
        self._under_way: dict[int | str, int | str] = {}  # ids as they were sent, by their one form
        self._idle = asyncio.Event()
        self._idle.set()
        self._complaints = (0.0, 0)
        self.refused = 0
        self.drain = DRAIN
        self.most = MAX_UNDER_WAY
        self.ahead: Callable[[], object] = _unheld
        """Called before anything is written here, and before the next line is waited for: what others hold back goes
        first."""
        self.keeper: Keeper | None = None
        self._left: deque[tuple[bytes, int]] = deque()  # what a worker before left unanswered
        self.loading: asyncio.Future[Any] | None = None
        """Done when the dispatcher above can take messages; calls that wait for it are under way too."""

    async def __anext__(self) -> Any:
        message = await self.message()
        if message is None:
            raise StopAsyncIteration
        return self.coded(message)

    async def message(self) -> Message | None:
        """The next well-formed message; ``None`` once the input has ended and calls under way had their time."""
        while True:
            if self._outlet.stuck or not self._intake.waiting:
                self.ahead()
            if self._left:
                return self._resumed(*self._left.popleft())
            line = await self._intake.line() if not self._outlet.stuck or await self._room() else None
            if line is None:
                await self._finish()
                return None
            self._intake.taken()
            message = self._received(line)
            if message is not None:
                return message

    @property
    def behind(self) -> int:
        """Requests of a worker before that nobody has taken; they may all be under way at once, as they were there."""
        return len(self._left)

    def resume(self, line: bytes, slot: int) -> None:
        """Have a request that was read and kept, but not answered, come before all others."""
        self._left.append((line, slot))

    def named(self, line: bytes) -> int | str | None:
        """The one form of the id of a request; ``None`` for whatever is none, or is not taken."""
        try:
            message = parse(line, self._bounds)
        except Malformed:
            return None
        return same_id(message.body["id"]) if message.kind == "request" else None

    def _resumed(self, line: bytes, slot: int) -> Message:
        message = parse(line, self._bounds)
        key = same_id(message.body["id"])
        self._under_way[key] = message.body["id"]
        if self.keeper is not None:
            self.keeper.resumed(key, slot)
        self._idle.clear()
        return message

    def coded(self, message: Message) -> Any:
        """A message in the form of the dispatcher above."""
        if message.kind != "request":
            return self.codec.inbound(message, _nothing)
        request_id = message.body["id"]

        async def unanswered() -> None:
            self.drop(request_id)

        return self.codec.inbound(message, unanswered)

    @property
    def codec(self) -> Codec:
        """What translates for the dispatcher above; set when there is one."""
        if self._codec is None:
            raise RuntimeError("nobody has said how messages are translated")
        return self._codec

    @codec.setter
    def codec(self, codec: Codec) -> None:
        self._codec = codec

    async def send(self, item: Any) -> None:
        """Write one message as one line, and wait while the client does not read."""
        body = self.codec.outbound(item)
        line = _line(body)
        self.ahead()
        if "method" not in body:
            self.settle(body.get("id"))
        self._outlet.write(line)
        await self._outlet.drained()

    def fail(self, code: int, message: str, spared: Container[int | str]) -> None:
        """Answer every request under way with an error, but those whose ids (see ``same_id``) are ``spared``."""
        for key, request_id in list(self._under_way.items()):
            if key not in spared:
                self.ahead()
                self.settle(request_id)
                self._outlet.write(_line(Malformed(code, message, request_id).reply()))

    def _write(self, line: bytes) -> None:
        self.ahead()
        self._outlet.write(line)

    def _received(self, line: bytes | Oversized) -> Message | None:
        try:
            if isinstance(line, Oversized):
                raise Malformed(
                    PARSE_ERROR,
                    f"a message is at most {self._bounds.bytes} bytes; send less at once",
                    guess_id(line.head, line.tail),
                )
            message = parse(line, self._bounds)
            return message if message.kind != "request" or self._begin(message.body["id"], line) else None
        except Malformed as error:
            if error.id is not None and same_id(error.id) in self._under_way:
                error.id = None  # the answer to the request that is under way must not be taken for this
            self._complain(error)
            return None

    def _begin(self, request_id: int | str, line: bytes) -> bool:
        key = same_id(request_id)
        if key in self._under_way:
            raise Malformed(INVALID_REQUEST, "a request with this id is still under way; use another id")
        if len(self._under_way) >= self.most:
            busy = Malformed(BUSY, _BUSY.format(self.most), request_id)
            self._write(_line(busy.reply()))  # each one is told, garbage is not
            return False
        self._under_way[key] = request_id
        self._idle.clear()
        if self.keeper is not None:
            self.keeper.begin(key, line)
        return True

    def settle(self, request_id: int | str | None) -> None:
        """A request is answered by what is written next."""
        if request_id is not None:
            key = same_id(request_id)
            self._under_way.pop(key, None)
            if self.keeper is not None:
                self.keeper.answered(key)
        if not self._under_way:
            self._idle.set()

    def drop(self, request_id: int | str) -> None:
        """A request will not be answered: it was cancelled."""
        key = same_id(request_id)
        self._under_way.pop(key, None)
        if self.keeper is not None:
            self.keeper.dropped(key)
        if not self._under_way:
            self._idle.set()

    def _complain(self, error: Malformed) -> None:
        self.refused += 1
        now = asyncio.get_running_loop().time()
        began, count = self._complaints
        began, count = (now, 0) if now - began >= 1.0 else (began, count)
        self._complaints = (began, count + 1)
        if count < MAX_COMPLAINTS:
            self._write(_line(error.reply()))

    async def _room(self) -> bool:
        """A client that does not read its answers gets no new call started; ``False`` when it has left besides."""
        while self._outlet.stuck and not self._intake.abandoned():
            waits = {asyncio.ensure_future(self._outlet.drained()), asyncio.ensure_future(self._intake.ended.wait())}
            _, pending = await asyncio.wait(waits, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
            for wait in pending:
                wait.cancel()
        if self._outlet.stuck:  # it has closed its end, but may read on, slowly
            with suppress(TimeoutError):
                async with asyncio.timeout(self.drain):
                    await self._outlet.drained()
        return not self._outlet.stuck

    async def _finish(self) -> None:
        if self._outlet.stuck or self._outlet.broken or self.drain <= 0:
            return
        if self.loading is not None:
            await self._loaded(self.loading)
        try:
            async with asyncio.timeout(self.drain):
                await self._idle.wait()
        except TimeoutError:
            return

    async def _loaded(self, loading: asyncio.Future[Any]) -> None:
        idle = asyncio.ensure_future(self._idle.wait())
        try:
            await asyncio.wait({loading, idle}, timeout=LOADING, return_when=asyncio.FIRST_COMPLETED)
        finally:
            idle.cancel()


async def _nothing() -> None:
    return None


def _unheld() -> None:
    return None


def _line(body: dict[str, Any]) -> bytes:
    try:
        return to_json(body, inf_nan_mode="null") + b"\n"
    except (PydanticSerializationError, UnicodeEncodeError):
        return careful_dumps(body) + b"\n"  # a lone surrogate, from wherever: replaced, never the end of the process
