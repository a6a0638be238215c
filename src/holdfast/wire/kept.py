"""Lines from the client and to the client whose every byte outlives this process: the next worker goes on with them."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from holdfast.supervisor.incoming import Incoming
from holdfast.supervisor.outgoing import Outgoing
from holdfast.supervisor.requests import Requests
from holdfast.supervisor.straight import Straight
from holdfast.supervisor.worker import Worker
from holdfast.wire.pipes import HIGH_WATER, Intake, Outlet, Oversized
from holdfast.wire.underway import UnderWay

_BRACE: Final = ord("{")
_AGAIN: Final = (BlockingIOError, InterruptedError)


class KeptIntake(Intake):
    """Reads into memory that outlives this process, where a line stays until what answers it is sure to go out."""

    def __init__(self, max_line: int, incoming: Incoming, under_way: UnderWay, fd: int) -> None:
        super().__init__(max_line)
        self._incoming = incoming
        self._under_way = under_way
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._sizes: deque[int] = deque()  # of the lines that wait, as they stand in the stream
        self._blank = 0  # bytes of blank lines before the next one
        self._reading = False
        self._left = b""
        self._transport = self  # type: ignore[assignment]  # what pauses and resumes is this

    def recover(self) -> list[bytes]:
        """The lines that a worker before had begun with and not dealt with."""
        begun, self._left = self._incoming.recover()
        return begun.split(b"\n")

    def start(self) -> None:
        """Go on with what a worker before had only read."""
        os.set_blocking(self._fd, False)
        left, self._left = self._left, b""
        if left:
            self._came(left)
        if not self._paused:
            self.resume_reading()

    def _queue(self, line: bytes | Oversized, size: int) -> None:
        self._lines.append(line)
        self._sizes.append(size + self._blank)
        self._blank = 0

    def _skipped(self, size: int) -> None:
        self._blank += size

    def taken(self) -> None:
        """See ``Intake``."""
        if self._sizes:  # not after ``stop``
            self._incoming.given(self._sizes.popleft())
            if not self._reading:
                self._read_on()

    def _read_on(self) -> None:
        if not self._paused:
            self._under_way.clear()
            self.resume_reading()

    def pause_reading(self) -> None:
        """Leave the rest in the pipe."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Read on."""
        if not self._reading and not self.ended.is_set():
            self._reading = True
            self._loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = self._incoming.read(self._fd)
        except _AGAIN:
            return
        except OSError:
            data = b""
        if (
            data
            and data[0] == _BRACE
            and data.find(b"\n") == len(data) - 1 < self._max
            and not (self._lines or self._rest or self._blank or self._head is not None)
        ):
            self._lines.append(data[:-1])  # one whole line, and nothing before it: the usual case
            self._sizes.append(len(data))
            self._held += len(data) - 1
            self._tell()
        elif data is None:
            self._under_way.clear()  # no room: only lines that nobody has taken have to stay
            if self._incoming.full:
                self.pause_reading()  # ``taken`` goes on
        elif data:
            self._came(data)
        else:
            self.pause_reading()
            self.eof_received()

    def _came(self, data: bytes) -> None:
        self.data_received(data)
        if self._head is not None and not self._lines:  # what is thrown away of an overlong line is not kept either
            self._incoming.given(self._carried + self._blank)
            self._carried = self._blank = 0
            self._under_way.clear()

    def stop(self) -> None:
        """See ``Intake``."""
        self.pause_reading()
        self._sizes.clear()
        super().stop()

    def leave(self) -> None:
        """End the lines here; what was not taken is the next worker's."""
        self._sizes.clear()
        super().stop()
        self.pause_reading()

    def close(self) -> None:
        """See ``Intake``."""
        self.pause_reading()


class KeptOutlet(Outlet):
    """Commits what is written before it moves it on; a request answered is free from that moment."""

    def __init__(
        self, on_lost: Callable[[], None], outgoing: Outgoing, straight: Straight, under_way: UnderWay, fd: int
    ) -> None:
        super().__init__(on_lost)
        self._outgoing = outgoing
        self._straight = straight
        self._under_way = under_way
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._backlog: deque[tuple[bytes, Sequence[int]]] = deque()  # what has no room yet; bounded as calls are
        self._waiting = False
        self._busy = True  # until everything that is committed has gone
        self._moved = asyncio.Event()

    def start(self) -> None:
        """Send what is committed already, and watch for the client's leaving."""
        os.set_blocking(self._fd, False)
        with suppress(OSError, ValueError):
            self._loop.add_reader(self._fd, self._peer)
        self._move()

    def write(self, line: bytes) -> None:
        """See ``Outlet``."""
        if self.broken:
            return
        if self._busy or len(line) > self._straight.room:
            self._write_behind(line)
            return
        under_way = self._under_way
        slots: Sequence[int] = ()
        if under_way.open or under_way.freed:
            slots = under_way.committing(self._outgoing.committed + len(line))
        under_way.passed.clear()
        try:
            left = self._straight.send(line)
        except OSError:
            self._lost()
            return
        if left == 0 and not slots:
            return  # the usual case
        if left is None:
            self._outgoing.commit(self._outgoing.put(line))
            under_way.committed(slots)
        else:
            self._outgoing.left(left)
            under_way.free(slots)
        self._move()

    def _write_behind(self, line: bytes) -> None:
        """Something else is on its way, or this is too much for our own pipe."""
        outgoing = self._outgoing
        if self._backlog or len(line) > outgoing.room:
            self._backlog.append((line, self._under_way.postponed()))
        else:
            slots = self._under_way.committing(outgoing.committed + len(line))
            outgoing.commit(outgoing.put(line))
            self._under_way.committed(slots)
        if not self._waiting:
            self._move()
        elif outgoing.waiting > HIGH_WATER:
            self._writable.clear()

    def _move(self) -> None:
        try:
            while self._outgoing.move(self._fd) and self._backlog:
                self._commit_backlog()
        except OSError:
            self._lost()
            return
        if not self._outgoing.waiting and not self._backlog:
            self._settle()
            return
        self._busy = True
        if not self._waiting:
            self._waiting = True
            self._loop.add_writer(self._fd, self._move)
        if self._outgoing.waiting > HIGH_WATER or self._backlog:
            self._writable.clear()
        else:
            self._writable.set()

    def _commit_backlog(self) -> None:
        """All has gone: there is room for the next, however long it is."""
        while self._backlog and len(self._backlog[0][0]) <= self._outgoing.room:
            line, slots = self._backlog.popleft()
            place = self._outgoing.put(line)
            self._under_way.late(slots, place)
            self._outgoing.commit(place)
            self._under_way.free(slots)

    def _settle(self) -> None:
        self._busy = False
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._fd)
        self._writable.set()
        self._moved.set()

    def _peer(self) -> None:
        """The client's end has closed, or, on a socket, something came that nobody reads here."""
        if stat.S_ISSOCK(os.fstat(self._fd).st_mode):
            with suppress(OSError), socket.socket(fileno=os.dup(self._fd)) as end:
                if end.recv(1, socket.MSG_PEEK):
                    self._loop.remove_reader(self._fd)
                    return
        self._lost()

    def _lost(self) -> None:
        if not self.broken:
            self._watch_no_more()
            self.connection_lost(None)
            self._moved.set()

    def _watch_no_more(self) -> None:
        self._loop.remove_reader(self._fd)
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._fd)

    async def close(self, patience: float) -> None:
        """See ``Outlet``; what the client does not take within ``patience`` is left for whoever comes next."""
        if not self.broken and (self._outgoing.waiting or self._backlog):
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._moved.wait()
        if not self.broken:
            self._watch_no_more()


def keep(worker: Worker, max_line: int) -> tuple[KeptIntake, KeptOutlet, UnderWay]:
    """Attach to the client's ends as the worker before has left them."""
    outgoing = Outgoing(worker.memory, worker.channel)
    outgoing.recover()
    incoming = Incoming(worker.memory)
    under_way = UnderWay(incoming, Requests(worker.memory))
    intake = KeptIntake(max_line, incoming, under_way, worker.input)
    straight = Straight(worker.memory, worker.channel, incoming, worker.output)
    return intake, KeptOutlet(intake.stop, outgoing, straight, under_way, worker.output), under_way
