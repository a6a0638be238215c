"""The bounded queue and the one thread between code that logs and the sink, so that logging never waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.core.clock import Clock, SystemClock
from holdfast.observe.record import Renderer

if TYPE_CHECKING:
    from holdfast.observe.sinks import Sink

MAX_WEIGHT = 32 * 1024 * 1024
"""Characters that waiting records may hold in all, whatever their number."""
GATHER = 0.02
"""Seconds that a record waits for others: woken for each, the writer would take the interpreter from the event loop
for every call (measured: 20 us a call to hand over, and as much again to get the interpreter back)."""
BATCH = 256
"""Records that are rendered into one write."""
AGAIN = 1.0
"""Seconds between attempts to say how many records were lost, while nothing else is logged."""

_Entry = tuple["Renderer | Lines", Any, int]
_Piece = tuple[bytes, bool]
"""Lines, and whether each of them is a record."""
_writer_of = itemgetter(0)


class Lines(Protocol):
    """Writes records of one small kind, a batch at once."""

    def many(self, records: list[Any]) -> bytes:
        """Return their lines; raises only what would be a mistake in itself."""
        ...


class LogPipe:
    """Takes records from any thread without blocking; one daemon thread renders them and feeds the sink.

    A record that finds the pipe full, or that the sink does not take, is dropped and counted in ``lost``; once there is
    room again, and the sink works, a line says how many. ``working`` is whether it took what came last.
    """

    def __init__(self, sink: Sink, *, capacity: int = 10_000, clock: Clock | None = None) -> None:
        self.sink = sink
        self.lost = 0
        self.working = True
        self.renderer: Renderer | None = None
        """Set by ``build_logger``; how records that carry no renderer of their own are written."""
        self._clock = clock or SystemClock()
        self._capacity = capacity
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()  # put() is reentrant: __del__ may log
        self._counters = threading.RLock()
        self._weight = 0
        self._told = 0
        self._closed = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="holdfast-log", daemon=True)
        self._thread.start()

    def put(self, record: dict[Any, Any], renderer: Renderer, weight: int = 256) -> None:
        """Hand over a record that nobody else holds. Never blocks, never raises."""
        with self._counters:
            full = self._closed or self._queue.qsize() >= self._capacity or self._weight + weight > MAX_WEIGHT
            if full:
                self.lost += 1
                return
            self._weight += weight
        self._queue.put((renderer, record, weight))

    def put_small(self, record: tuple[Any, ...], lines: Lines) -> None:
        """Hand over a record that holds a few short values; it counts by number, not by weight, and takes no lock."""
        waiting = self._queue
        if self._closed or waiting.qsize() >= self._capacity:
            with self._counters:
                self.lost += 1
        else:
            waiting.put((lines, record, 0))

    def is_writer(self) -> bool:
        """Whether the running thread is the pipe's own, whose records would feed themselves."""
        return threading.get_ident() == self._thread.ident

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def end(self, timeout: float) -> bool:
        """Take nothing more and write what waits, for at most ``timeout`` seconds; whether that was all."""
        with self._counters:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
                self._closing.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, for at most ``timeout`` seconds; what is left then is lost and counted."""
        with self._counters:
            if self._closed:
                return
        self.end(timeout)
        self.sink.close()
        if self._thread.is_alive():
            self._thread.join(0.5)
            with self._counters:
                self.lost += self._queue.qsize()

    def _work(self) -> None:
        going = True
        while going:
            entries, going = self._batch()
            self._deliver(list(self._lines(entries)))
            with self._counters:
                self._weight -= sum(weight for _, _, weight in entries)

    def _deliver(self, pieces: list[_Piece]) -> None:
        """Write the lines, and what is to be said of losses; count what the sink does not take."""
        with self._counters:
            fresh = self.lost - self._told
        data = b"".join([piece for piece, _ in pieces]) + self._loss(fresh)
        if not data:
            return
        taken = self._write(data)
        self.working = taken == len(data)
        if self.working:
            self._told += fresh
        else:
            self._lose(_missing(pieces, taken))

    def _batch(self) -> tuple[list[_Entry], bool]:
        entries: list[_Entry] = []
        try:
            entry = self._queue.get(timeout=AGAIN if self.lost > self._told else None)
        except queue.Empty:
            return entries, True
        if self._queue.qsize() < BATCH:
            self._closing.wait(GATHER)
        while entry is not None:
            entries.append(entry)
            if len(entries) == BATCH:
                return entries, True
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return entries, True
        return entries, False

    def _lines(self, entries: list[_Entry]) -> Iterator[_Piece]:
        for writer, group in groupby(entries, _writer_of):
            records = [record for _, record, _ in group]
            if isinstance(writer, Renderer):
                for record in records:
                    yield self._render(writer, record), False
            else:
                yield self._render_all(writer, records), True

    def _render(self, renderer: Renderer, record: dict[Any, Any]) -> bytes:
        try:
            return renderer(record)
        except Exception:  # the thread serves everybody: one odd record must not end it
            self._lose(1)
            return b""

    def _render_all(self, writer: Lines, records: list[Any]) -> bytes:
        try:
            return writer.many(records)
        except Exception:  # as above: what cannot be written is counted
            self._lose(len(records))
            return b""

    def _lose(self, count: int) -> None:
        with self._counters:
            self.lost += count

    def _write(self, data: bytes) -> int:
        before = self.sink.failures
        try:
            taken = self.sink.write(data)
        except Exception:  # a foreign sink that breaks its promise must not end the thread
            self.sink.failures += 1
            return 0
        if taken is None:
            return len(data) if self.sink.failures == before else 0
        return taken

    def _loss(self, count: int) -> bytes:
        if not count:
            return b""
        renderer = self.renderer or Renderer(redact=str)
        line = {"time": self._clock.wall(), "level": "warning", "event": f"{count} log records lost", "lost": count}
        return self._render(renderer, line)


def _missing(pieces: list[_Piece], taken: int) -> int:
    """How many records are not wholly among the first ``taken`` bytes; in a piece of many each is one line."""
    count = end = 0
    for piece, many in pieces:
        begin, end = end, end + len(piece)
        if end > taken:
            count += piece.count(b"\n", max(0, taken - begin)) if many else bool(piece)
    return count
