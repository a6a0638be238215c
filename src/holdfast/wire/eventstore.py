"""Recent events of handshake-era streams, kept so that a client that lost its stream can resume it."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import count
from typing import Any

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore

MAX_STREAMS = 1_000
MAX_EVENTS = 200
"""Events kept of one stream; a client that missed more has to ask again."""
MAX_BYTES = 16 * 1024 * 1024
"""Bytes of all events together, as they stand on the wire; the oldest streams go first."""

_Key = tuple[int, str]


class RecentEvents:
    """In memory and bounded over all sessions: the latest streams, and the latest events of each.

    A stream is named after its request, so every session has a stream "2": each one must see its own only.
    """

    def __init__(self) -> None:
        self.mark = ""
        """Begins the number of every event: a worker that goes on where another was lost has one of its own."""
        self._streams: OrderedDict[_Key, deque[tuple[str, Any, int]]] = OrderedDict()
        self._bytes = 0
        self._numbers = count(1)
        self._sessions = count(1)

    def of_session(self) -> EventStore:
        """The events of one new session."""
        return _SessionEvents(self, next(self._sessions))

    def store(self, key: _Key, message: Any) -> str:
        """Keep one event; returns its id."""
        event_id = f"{key[1]}#{self.mark}{next(self._numbers)}"
        size = 0 if message is None else len(message.model_dump_json())
        if size > MAX_BYTES // 4:
            message, size = None, 0  # too large to keep for a client that may never come back
        events = self._streams.setdefault(key, deque())
        self._streams.move_to_end(key)
        events.append((event_id, message, size))
        self._bytes += size
        if len(events) > MAX_EVENTS:
            self._bytes -= events.popleft()[2]
        while len(self._streams) > MAX_STREAMS or self._bytes > MAX_BYTES:
            _, forgotten = self._streams.popitem(last=False)
            self._bytes -= sum(event[2] for event in forgotten)
        return event_id

    def after(self, key: _Key, event_id: str) -> list[tuple[str, Any, int]] | None:
        """What came after an event; ``None`` when that is not known any more, or is another session's."""
        events = list(self._streams.get(key, ()))
        places = [place for place, event in enumerate(events) if event[0] == event_id]
        return events[places[0] + 1 :] if places else None


class _SessionEvents(EventStore):
    """One session's view; implements the SDK's ``EventStore``."""

    def __init__(self, events: RecentEvents, session: int) -> None:
        self._events = events
        self._session = session

    async def store_event(self, stream_id: str, message: Any) -> str:
        """Keep one event; returns its id."""
        return self._events.store((self._session, stream_id), message)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after ``last_event_id`` on its stream; ``None`` when that is not known any more."""
        stream_id = last_event_id.rpartition("#")[0]
        missed = self._events.after((self._session, stream_id), last_event_id)
        if missed is None:
            return None
        for event_id, message, _ in missed:
            if message is not None:
                await send_callback(EventMessage(message, event_id))
        return stream_id
