"""Sends bytes, with an honest request behind them, and hears what the server makes of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from holdfast_attack.cases.wire.idle import wait_out
from holdfast_attack.link.messages import encoded, key
from holdfast_attack.link.session import Gone
from holdfast_attack.link.stdio import Heard, StdioSession
from holdfast_attack.model import Found

PATIENCE = 10.0
"""Seconds in which an honest request must be answered."""
GRACE = 1.0
"""Seconds that an answer may come later than that of the honest request that was sent behind it; and the server has
nothing left to do."""
MOMENT = 0.1
"""The same for an answer that must not come."""

Id = tuple[str, Any]
Message = dict[str, Any]


def is_answer(message: Message) -> bool:
    """Whether it is a response, whatever it responds to."""
    return "method" not in message


async def send(session: StdioSession, data: bytes, within: float = PATIENCE) -> None:
    """Write bytes; a server that does not read them is found out. Raises ``Found`` and ``Gone``."""
    try:
        await session.write(data, within)
    except TimeoutError:
        raise Found(f"it has not read its input for {within:g} s") from None


async def tell(session: StdioSession, raw: bytes, grace: float = GRACE) -> Heard | None:
    """Send ``raw`` as one line and an honest request behind it: what came in answer to ``raw``; None for nothing.

    Raises ``Gone`` when the server went away, and ``Found`` when the honest request is not answered.
    """
    behind = session.message("tools/list")
    theirs = key(behind["id"])

    def to_raw(message: Message) -> bool:
        return is_answer(message) and key(message.get("id")) != theirs

    session.mark()
    await send(session, raw + b"\n" + encoded(behind) + b"\n")
    honest = await session.wait(lambda message: is_answer(message) and key(message.get("id")) == theirs, PATIENCE)
    if honest is None and session.ended:
        raise Gone("its output ended")
    heard = await session.wait(to_raw, 0.0) if honest is None else await wait_out(session, to_raw, grace)
    if honest is None:
        raise Found(f"an honest request sent behind it is not answered within {PATIENCE:g} s")
    return heard


@dataclass(slots=True)
class Answers:
    """Counts the answers to each of many ids; to be handed to ``StdioSession.wait``, for which all must have come."""

    ids: frozenset[Id]
    counts: Counter[Id] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    others: int = 0
    """Answers that bear none of the ids."""

    @classmethod
    def to(cls, messages: Iterable[Message]) -> Answers:
        """Those to some requests."""
        return cls(frozenset(key(message["id"]) for message in messages))

    def __call__(self, message: Message) -> bool:
        if is_answer(message):
            number = key(message.get("id"))
            if number in self.ids:
                self.counts[number] += 1
                self.kinds["error" if "error" in message else "result"] += 1
            else:
                self.others += 1
        return len(self.counts) == len(self.ids)

    @property
    def missing(self) -> int:
        """Ids without an answer."""
        return len(self.ids) - len(self.counts)

    @property
    def twice(self) -> int:
        """Ids with more than one."""
        return sum(count > 1 for count in self.counts.values())


async def count(session: StdioSession, answers: Answers, within: float) -> Answers:
    """Hear answers until each id has one, and a little longer for those that come twice. Raises ``Gone``."""
    if await session.wait(answers, within) is None and session.ended:
        raise Gone("its output ended")
    await wait_out(session, lambda _: False, MOMENT)
    seen = Answers(answers.ids)
    for heard in session.messages:
        seen(heard.message)
    return seen


def without_params(session: StdioSession) -> Callable[[], Message]:
    """Makes requests that are as cheap for the server as its era has them."""
    method = "server/discover" if session.lane.version >= "2026" else "ping"
    return lambda: session.message(method)
