"""What is noted of each session over HTTP for the worker that goes on with it, and what one left for this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.supervisor.book import NOW
from holdfast.wire.recognise import LEVELS
from holdfast.wire.remembered import TOLD, Remembered

if TYPE_CHECKING:
    from holdfast.supervisor.book import Book
    from holdfast.wire.messages import Message

_SECOND = 1_000_000_000


class Kept(NamedTuple):
    """A session in the book."""

    slot: int
    owner: Any
    """Who opened it, as the SDK has it; ``None`` where nobody is asked who he is."""
    said: Remembered


class SessionBook:
    """Of one worker, and of the sessions by their handles. ``idle`` is the seconds after which one expires, by ``now``,
    which is the same in all processes of one system."""

    def __init__(self, book: Book, idle: float, now: Callable[[], float], too_much: Callable[[], None]) -> None:
        self._book = book
        self._idle = idle
        self._now = now
        self._too_much = too_much
        self._kept: dict[str, Kept] = {}  # bounded by the book
        self.asleep: dict[str, float] = {}
        """The sessions that nobody has asked for since another worker was lost, and until when somebody may."""

    def recover(self, take: Callable[[str, str], bool]) -> None:
        """Take over what is not expired and ``take(handle, holder)`` agrees to."""
        now = self._stamp()
        for entry in self._book.recover():
            handle, note = entry.handle.hex(), json.loads(entry.text)
            used = entry.used or now  # when a request was under way, until now
            if now - used >= self._idle * _SECOND or not take(handle, note["who"]):
                self._book.close(entry.slot)
                continue
            self._book.used(entry.slot, used)
            self.asleep[handle] = used / _SECOND + self._idle
            self._enter(handle, entry.slot, note)

    def open(self, handle: str, who: str, owner: Any, opening: Mapping[str, Any]) -> None:
        """A session begins; where there is no room for it, it ends with this worker."""
        note = {"who": who, "owner": owner, "said": {"opening": dict(opening)}}
        slot = self._book.open(bytes.fromhex(handle), _text(note))
        if slot is None:
            self._too_much()
        else:
            self._enter(handle, slot, note)

    def _enter(self, handle: str, slot: int, note: dict[str, Any]) -> None:
        def keep(said: dict[str, Any]) -> None:
            if handle in self._kept and not self._book.keep(slot, _text({**note, "said": said})):
                self.forget(handle)
                self._too_much()

        self._kept[handle] = Kept(slot, note["owner"], Remembered(keep, note["said"]))

    def find(self, handle: str) -> Kept | None:
        """The session, when it is in the book."""
        return self._kept.get(handle)

    def forget(self, handle: str) -> None:
        """It is over, or ends with this worker."""
        self.asleep.pop(handle, None)
        kept = self._kept.pop(handle, None)
        if kept is not None:
            self._book.close(kept.slot)

    def expired(self) -> list[str]:
        """Those that nobody came back for in time."""
        now = self._now()
        return [handle for handle, until in self.asleep.items() if until <= now]

    def busy(self, kept: Kept) -> None:
        """A request of the session begins."""
        self._book.used(kept.slot, NOW)

    def idle(self, handle: str, kept: Kept) -> None:
        """The last request of the session that was under way has ended."""
        if self._kept.get(handle) is kept:
            self._book.used(kept.slot, self._stamp())

    def _stamp(self) -> int:
        return round(self._now() * _SECOND)

    def hear(self, kept: Kept, message: Message) -> None:
        """Note what changes the session, before it is dealt with: nothing that was answered is lost."""
        body = message.body
        if body.get("method") not in TOLD:
            return
        params = body.get("params")
        if body["method"] == "logging/setLevel" and not (isinstance(params, dict) and params.get("level") in LEVELS):
            return  # it is going to be refused
        kept.said.hear(body)

    def followed(self, handle: str) -> list[str]:
        """The resources whose news the session wants."""
        kept = self._kept.get(handle)
        return [] if kept is None else list(kept.said.followed)


def _text(note: Mapping[str, Any]) -> bytes:
    return json.dumps(note, separators=(",", ":")).encode()
