"""What comes of one HTTP answer, read as far as it came: a JSON body, or a stream of events up to the one awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast_attack.link.httpevents import LARGEST, Events
from holdfast_attack.link.httpreading import Head, Source, Wire
from holdfast_attack.link.messages import decoded, key
from holdfast_attack.link.reply import KEPT, Reply
from holdfast_attack.link.session import Gone

NOTES = 1_000
"""Messages before the answer that are kept."""
EVENTS: Final = "text/event-stream"
COURTESY = 0.2
"""Seconds in which a stream may end by itself, once the message that was awaited has come."""
ANY: Final = object()
"""Instead of an id: the first answer to whatever."""

Message = dict[str, Any]
Asked = Callable[[Message], None]
"""Is told of a request that the server makes on a stream."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an answer is read. ``to``: the id whose answer ends a stream. ``stream``: False leaves a stream unread."""

    to: Any = ANY
    asked: Asked | None = None
    bodiless: bool = False
    stream: bool = True


ANYTHING: Final = Wanted()


@dataclass(slots=True)
class Answer:
    """What came of an answer so far. ``whole``: its body has ended, or the message that was awaited has come."""

    head: Head | None = None
    body: bytearray = field(default_factory=bytearray)
    total: int = 0
    message: Message | None = None
    notes: list[Message] = field(default_factory=list)
    whole: bool = False
    cut: bool = False
    """The connection ended in the middle of it."""
    ids: list[str] = field(default_factory=list)
    """Of the events that had one, in their order."""
    retry: int | None = None

    def keep(self, piece: bytes) -> None:
        """More of the body."""
        self.total += len(piece)
        self.body += piece[: LARGEST - len(self.body)]

    @property
    def last_event(self) -> str | None:
        """The id of the last event that had one."""
        return self.ids[-1] if self.ids else None

    def reply(self, seconds: float) -> Reply:
        """The same for those who ask no more than what was said."""
        if self.head is None:
            return Reply(None, bytes(self.body[:KEPT]), seconds)
        raw = (self.head.raw + self.body)[:KEPT]
        return Reply(self.message, raw, seconds, self.head.status, self.head.headers, tuple(self.notes))


async def read_answer(source: Source, answer: Answer, wanted: Wanted) -> None:
    """Fill in ``answer`` as it comes. Raises ``Gone`` when it ends early or is no HTTP."""
    wire = Wire(source)
    answer.head = await wire.head()
    events = Events() if answer.head.kind == EVENTS else None
    if events is not None and not wanted.stream:
        answer.whole = True
        return
    body = wire.body(answer.head, bodiless=wanted.bodiless)
    async for piece in body:
        answer.keep(piece)
        if events is not None and _listened(answer, events, piece, wanted):
            answer.whole = True
            await _rest(body)
            return
    answer.whole = True
    if events is None:
        message = decoded(bytes(answer.body)) if answer.total <= LARGEST else None
        answer.message = message if isinstance(message, dict) else None


def _listened(answer: Answer, events: Events, piece: bytes, wanted: Wanted) -> bool:
    """Take what a stream says; whether it has said what was awaited."""
    for event in events.feed(piece):
        if event.id and len(answer.ids) < NOTES:
            answer.ids.append(event.id)
        answer.retry = event.retry if event.retry is not None else answer.retry
        message = decoded(event.data) if event.data else None
        if not isinstance(message, dict):
            continue
        if "method" not in message and (wanted.to is ANY or _answers(message, wanted.to)):
            answer.message = message
            return True
        if len(answer.notes) < NOTES:
            answer.notes.append(message)
        if "method" in message and "id" in message and wanted.asked is not None:
            wanted.asked(message)
    return False


def _answers(message: Message, to: Any) -> bool:
    """Whether it is the answer; an error without an id is about a request whose id could not be read."""
    number = message.get("id")
    return key(number) == key(to) or (number is None and "error" in message)


async def _rest(body: AsyncIterator[bytes]) -> None:
    """Let a stream end by itself, so that the server does not see its client leave."""
    with contextlib.suppress(TimeoutError, Gone):
        async with asyncio.timeout(COURTESY):
            async for _ in body:
                pass
