"""One end of a pipe without buffers of its own: writing waits for the reader, and stops when it is told to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

from holdfast_attack.link.session import Gone

CHUNK = 262_144


class Writer:
    """The writing end. Waits while the other side does not read; a half-written message is the caller's to know of."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._turn = asyncio.Lock()

    async def write(self, data: bytes, within: float) -> None:
        """Raises ``Gone`` when nobody can read any more, and ``TimeoutError`` when nobody does."""
        view = memoryview(data)
        async with asyncio.timeout(within), self._turn:
            while view:
                view = view[await self._some(view) :]

    async def _some(self, view: memoryview) -> int:
        while True:
            if self._fd is None:
                raise Gone("its input is closed")
            try:
                return os.write(self._fd, view[:CHUNK])
            except BlockingIOError:
                await self._writable(self._fd)
            except OSError:
                raise Gone("it does not read its input any more") from None

    async def _writable(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(fd, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_writer(fd)

    def close(self) -> None:
        """The other side sees the end."""
        if self._fd is not None:
            with suppress(OSError):
                asyncio.get_running_loop().remove_writer(self._fd)
                os.close(self._fd)
            self._fd = None


class Reader:
    """The reading end: hands on what comes, unless it is paused."""

    def __init__(self, fd: int, take: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._take, self._ended = take, ended
        self.resume()

    def pause(self) -> None:
        """Leave what comes in the pipe."""
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)

    def resume(self) -> None:
        """Read again."""
        if self._fd is not None:
            asyncio.get_running_loop().add_reader(self._fd, self._read)

    def close(self) -> None:
        """Nobody reads any more: the other side's next write fails."""
        if self._fd is not None:
            self.pause()
            os.close(self._fd)
            self._fd = None

    def _read(self) -> None:
        if self._fd is None:
            return
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            self.close()
            self._ended()
