"""Lines from a descriptor and to a descriptor on asyncio, bounded both ways."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

CHUNK = 65_536
MAX_WAITING = 256
MAX_HELD = 16 * 1024 * 1024
"""Lines, and bytes of lines, read ahead of what is served; past that the pipe is left to fill, which slows the client
down."""
HIGH_WATER = 4 * 1024 * 1024
"""Bytes of answers that wait for a client that does not read, before new requests wait too."""


EDGE = 1_024
"""Bytes kept of the beginning and of the end of an overlong line, where its id may be found."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """Stands for a line that was longer than allowed; only its edges are left."""

    head: bytes
    tail: bytes


class Intake(asyncio.Protocol):
    """Splits what arrives into lines. An overlong line is thrown away as it comes and told as ``Oversized``."""

    def __init__(self, max_line: int) -> None:
        self._max = max_line
        self._rest = bytearray()
        self._head: bytes | None = None  # the beginning of an overlong line, while its rest is thrown away
        self._carried = 0  # bytes of the line that has not come whole yet
        self._lines: deque[bytes | Oversized] = deque()
        self._held = 0
        self._stopped = False
        self._wake = asyncio.Event()
        self._transport: asyncio.ReadTransport | None = None
        self._paused = False
        self.fd: int | None = None
        """What the lines come from, to be asked whether anybody is at its other end."""
        self.ended = asyncio.Event()
        self.on_news: Callable[[], None] | None = None
        """Called when lines have come or ended, for a reader that may be busy."""

    @property
    def waiting(self) -> int:
        """Lines that have come and nobody has taken."""
        return len(self._lines)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = transport  # type: ignore[assignment]  # a read pipe's transport is a ReadTransport

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._stopped:
            return
        if not self._rest and data.endswith(b"\n") and data.count(b"\n") == 1:  # one whole line: the usual case
            self._take(data[:-1], len(data))
        else:
            self._split(data)
        crowded = len(self._lines) > MAX_WAITING or self._held > MAX_HELD
        if crowded and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _split(self, data: bytes) -> None:
        *complete, last = data.split(b"\n")
        for part in complete:
            self._rest += part
            self._take(bytes(self._rest), self._carried + len(part) + 1)
            self._rest.clear()
            self._carried = 0
        self._rest += last
        self._carried += len(last)
        if len(self._rest) > self._max:
            self._head = self._head or bytes(self._rest[:EDGE])
            del self._rest[:-EDGE]

    def _take(self, line: bytes, size: int) -> None:
        """One line has come whole, in ``size`` bytes of the stream."""
        if self._head is not None or len(line) > self._max:
            self._queue(Oversized(self._head or line[:EDGE], line[-EDGE:]), size)
            self._head = None
        elif line.strip():
            self._queue(line, size)
            self._held += len(line)
        else:
            self._skipped(size)
        self._tell()

    def _queue(self, line: bytes | Oversized, size: int) -> None:
        self._lines.append(line)

    def _skipped(self, size: int) -> None:
        """A blank line has come."""

    def eof_received(self) -> None:
        """Called by the loop; a last line without its newline still counts."""
        if self._rest or self._head is not None:
            self._take(bytes(self._rest), self._carried)
            self._rest.clear()
        self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._finish()

    def _finish(self) -> None:
        self.ended.set()
        self._tell()

    def _tell(self) -> None:
        self._wake.set()
        if self.on_news is not None:
            self.on_news()

    def abandoned(self) -> bool:
        """Whether the client has closed its end. While nothing is read only the kernel knows: what it had written
        before stands in front of the end."""
        return self.ended.is_set() or (self.fd is not None and _hung_up(self.fd))

    def stop(self) -> None:
        """End the lines now, whatever still waits and whatever the client still sends."""
        self._stopped = True
        self._lines.clear()
        self._held = 0
        self._finish()

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._transport is not None:
            self._transport.close()

    async def line(self) -> bytes | Oversized | None:
        """The next line; ``None`` at the end."""
        while not self._lines:
            if self.ended.is_set():
                return None
            self._wake.clear()
            await self._wake.wait()
        line = self._lines.popleft()
        self._held -= len(line) if isinstance(line, bytes) else 0
        if self._paused:
            self._resume_if_roomy()
        return line

    def taken(self) -> None:
        """The line given out last is in good hands."""

    def _resume_if_roomy(self) -> None:
        roomy = len(self._lines) < MAX_WAITING // 2 and self._held <= MAX_HELD // 2
        if roomy and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()


class Outlet(asyncio.Protocol):
    """Writes whole lines in order. ``drained`` waits while the client does not read; ``broken``: it is gone."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._transport: Any = None
        self._on_lost = on_lost
        self._writable = asyncio.Event()
        self._writable.set()
        self.broken = False
        self.pump: threading.Thread | None = None
        """Carries what was written the last bit, to a file or the like."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=HIGH_WATER)

    def pause_writing(self) -> None:
        """Called by the loop when the buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the loop when there is room again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop: EPIPE, or our own closing."""
        self.broken = True
        self._writable.set()
        self._on_lost()

    def write(self, line: bytes) -> None:
        """Queue one line, newline included."""
        if not self.broken:
            self._transport.write(line)

    async def drained(self) -> None:
        """Return when there is room for more."""
        await self._writable.wait()

    @property
    def stuck(self) -> bool:
        """Whether the client has stopped reading."""
        return not self._writable.is_set()

    async def close(self, patience: float) -> None:
        """Flush what the client still reads within ``patience`` seconds, then let go."""
        if not self.broken and self._transport.get_write_buffer_size():
            self._transport.set_write_buffer_limits(high=0)
            self._writable.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._writable.wait()
        if not self.broken:
            self._transport.abort()
        if self.pump is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.pump.join, patience)


async def open_pipes(source: int, sink: int, max_line: int) -> tuple[Intake, Outlet]:
    """Attach to two descriptors, of whatever kind: what asyncio cannot watch is pumped through a pipe by a thread.

    A client that does not take answers any more asks nothing more either: its lines end.
    """
    loop = asyncio.get_running_loop()
    intake = Intake(max_line)
    outlet = Outlet(intake.stop)
    if _one_socket(source, sink):
        both = socket.socket(fileno=os.dup(source))
        intake.fd = both.fileno()
        await loop.connect_accepted_socket(lambda: _Both(intake, outlet), both)
        return intake, outlet
    terminals = isinstance(loop, asyncio.SelectorEventLoop)  # uvloop takes a terminal for a pipe that has ended
    readable = os.dup(source) if _watchable(source, terminals) else _pumped_in(source)
    intake.fd = readable
    await loop.connect_read_pipe(lambda: intake, os.fdopen(readable, "rb", 0))
    writable = os.dup(sink) if _watchable(sink, terminals) else _pumped_out(sink, outlet)
    await loop.connect_write_pipe(lambda: outlet, os.fdopen(writable, "wb", 0))
    return intake, outlet


class _Both(asyncio.Protocol):
    """Both directions over one socket, as socat and inetd hand it over: asyncio's write pipe would take what arrives
    for the client's leaving."""

    def __init__(self, intake: Intake, outlet: Outlet) -> None:
        self._outlet = outlet
        self.data_received = intake.data_received  # type: ignore[method-assign]
        self.pause_writing = outlet.pause_writing  # type: ignore[method-assign]
        self.resume_writing = outlet.resume_writing  # type: ignore[method-assign]
        self._intake = intake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._intake.connection_made(transport)
        self._outlet.connection_made(transport)

    def eof_received(self) -> bool:
        self._intake.eof_received()
        return True  # the client may still read: answers go on

    def connection_lost(self, exc: Exception | None) -> None:
        self._intake.connection_lost(exc)
        self._outlet.connection_lost(exc)


def _hung_up(fd: int) -> bool:
    """Whether nobody can write to the other end any more (poll(2)); False where the system cannot tell."""
    if not hasattr(select, "poll"):
        return False
    poller = select.poll()
    half = getattr(select, "POLLRDHUP", 0)  # of a socket whose other side has ended its half (Linux)
    poller.register(fd, half)
    return any(told & (select.POLLHUP | select.POLLERR | select.POLLNVAL | half) for _, told in poller.poll(0))


def _one_socket(source: int, sink: int) -> bool:
    ours, theirs = os.fstat(source), os.fstat(sink)
    return stat.S_ISSOCK(ours.st_mode) and os.path.samestat(ours, theirs)


def _watchable(fd: int, terminals: bool) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (terminals and stat.S_ISCHR(mode) and os.isatty(fd))


def _pumped_in(fd: int) -> int:
    inner, outer = os.pipe()
    threading.Thread(target=_pump, args=(fd, outer, outer), name="holdfast-stdin", daemon=True).start()
    return inner


def _pumped_out(fd: int, outlet: Outlet) -> int:
    inner, outer = os.pipe()
    outlet.pump = threading.Thread(target=_pump, args=(inner, fd, inner), name="holdfast-stdout", daemon=True)
    outlet.pump.start()
    return outer


def _pump(source: int, sink: int, ours: int) -> None:
    """Copy to the end, then close the end of the pipe that is ``ours``: whoever holds the other one learns of it."""
    try:
        while data := os.read(source, CHUNK):
            while data:
                data = data[os.write(sink, data) :]
    except OSError:
        return  # one end is gone: the other learns it as the end of its pipe
    finally:
        os.close(ours)
