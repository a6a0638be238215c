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


class RecentEvents(EventStore):
    """In memory and bounded: the latest streams, and the latest events of each."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, deque[tuple[str, Any]]] = OrderedDict()
        self._sizes: OrderedDict[str, int] = OrderedDict()  # the same streams, in the same order
        self._total = 0
        self._numbers = count(1)

    async def store_event(self, stream_id: str, message: Any) -> str:
        """Keep one event; returns its id."""
        event_id = f"{stream_id}#{next(self._numbers)}"
        size = 0 if message is None else len(message.model_dump_json())
        if size > MAX_BYTES // 4:
            message, size = None, 0  # too large to keep for a client that may never come back
        self._streams.setdefault(stream_id, deque(maxlen=MAX_EVENTS)).append((event_id, message))
        self._sizes[stream_id] = self._sizes.get(stream_id, 0) + size
        self._total += size
        self._streams.move_to_end(stream_id)
        self._sizes.move_to_end(stream_id)
        self._forget()
        return event_id

    def _forget(self) -> None:
        while len(self._streams) > MAX_STREAMS or (self._total > MAX_BYTES and len(self._streams) > 1):
            self._streams.popitem(last=False)
            self._total -= self._sizes.popitem(last=False)[1]

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after ``last_event_id`` on its stream; ``None`` when that is not known any more."""
        stream_id = last_event_id.rpartition("#")[0]
        events = list(self._streams.get(stream_id, ()))
        places = [place for place, (event_id, _) in enumerate(events) if event_id == last_event_id]
        if not places:
            return None
        for event_id, message in events[places[0] + 1 :]:
            if message is not None:
                await send_callback(EventMessage(message, event_id))
        return stream_id
