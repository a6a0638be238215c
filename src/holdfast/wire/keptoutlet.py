"""Lines to the client whose every byte outlives this process: the next worker goes on with them."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from holdfast.supervisor.outgoing import Outgoing
from holdfast.supervisor.straight import Straight
from holdfast.wire.pipes import HIGH_WATER, Outlet
from holdfast.wire.underway import UnderWay


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
