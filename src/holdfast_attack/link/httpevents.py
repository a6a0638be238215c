"""Server-sent events out of bytes, in bounded memory, as the HTML standard reads them (section 9.2.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

LARGEST = 32 * 2**20
"""Bytes of one line or one event; what goes beyond is dropped, so that such an event cannot be read."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its ``data``, the last ``id`` that was named, and milliseconds to wait before coming back."""

    data: bytes
    id: str | None = None
    retry: int | None = None


@dataclass(slots=True)
class Events:
    """Feed bytes, take whole events. An event without data is handed on when it names an id or a time."""

    _rest: bytearray = field(default_factory=bytearray)
    _data: list[bytes] = field(default_factory=list)
    _size: int = 0
    _id: str | None = None
    _retry: int | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that end within ``data``."""
        self._rest += data[: LARGEST - len(self._rest)]
        if b"\n" not in data and b"\r" not in data:
            return
        for line in self._lines():
            if line:
                self._field(line)
            else:
                event = self._ended()
                if event is not None:
                    yield event

    def _lines(self) -> list[bytes]:
        """Whole lines; a CR at the very end waits for the LF that may follow."""
        waits = self._rest.endswith(b"\r")
        text = bytes(self._rest[:-1] if waits else self._rest).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = bytearray(rest + (b"\r" if waits else b""))
        return lines

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data" and self._size <= LARGEST:
            self._data.append(value)
            self._size += len(value) + 1
        elif name == b"id" and b"\0" not in value:
            self._id = value[:1024].decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():
            self._retry = int(value[:9])

    def _ended(self) -> Event | None:
        data, retry = b"\n".join(self._data), self._retry
        nothing = not self._data and retry is None
        self._data, self._size, self._retry = [], 0, None
        return None if nothing else Event(data, self._id, retry)
