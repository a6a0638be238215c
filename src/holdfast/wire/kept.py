"""Lines from the client whose every byte outlives this process: the next worker goes on with them."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import Final

from holdfast.supervisor.incoming import Incoming
from holdfast.supervisor.outgoing import Outgoing
from holdfast.supervisor.requests import Requests
from holdfast.supervisor.straight import Straight
from holdfast.supervisor.worker import Worker
from holdfast.wire.keptoutlet import KeptOutlet
from holdfast.wire.pipes import Intake, Oversized
from holdfast.wire.underway import UnderWay

_BRACE: Final = ord("{")
_AGAIN: Final = (BlockingIOError, InterruptedError)


class KeptIntake(Intake):
    """Reads into memory that outlives this process, where a line stays until what answers it is sure to go out."""

    def __init__(self, max_line: int, incoming: Incoming, under_way: UnderWay, fd: int) -> None:
        super().__init__(max_line)
        self._incoming = incoming
        self._under_way = under_way
        self._fd = self.fd = fd
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


def keep(worker: Worker, max_line: int) -> tuple[KeptIntake, KeptOutlet, UnderWay]:
    """Attach to the client's ends as the worker before has left them."""
    outgoing = Outgoing(worker.memory, worker.channel)
    outgoing.recover()
    incoming = Incoming(worker.memory)
    under_way = UnderWay(incoming, Requests(worker.memory))
    intake = KeptIntake(max_line, incoming, under_way, worker.input)
    straight = Straight(worker.memory, worker.channel, incoming, worker.output)
    return intake, KeptOutlet(intake.stop, outgoing, straight, under_way, worker.output), under_way
