"""One worker process as the server sees it: its channel, the call that it works on, its end and what it leaves."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from holdfast.errors import Draining, HoldfastError, ProcessDied
from holdfast.isolation.channel import Channel
from holdfast.isolation.worker import OUT_OF_MEMORY, serve
from holdfast.safe.descendants import Mark, sweep

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from holdfast.isolation.threads import ThreadPool

GRACE = 0.1
"""Seconds between SIGTERM, which raises ``Stopped`` in the tool, and SIGKILL."""
START = 30.0
"""Seconds that a worker may take to import what its calls need."""
SWEEPING = 2.0
"""Seconds after which what outlives SIGKILL (inside the kernel) is left alone."""

_log = logging.getLogger(__name__)


class Member(Channel):
    """A worker from its start to the reaping of its last descendant; ``live`` is that whole life.

    Its process leads a session of its own, and all its descendants carry its mark.
    """

    def __init__(self, context: Any, modules: tuple[str, ...], freed: Callable[[Member], None]) -> None:
        super().__init__(freed)
        self._mark = Mark.new()
        self._channel, self._theirs = socket.socketpair()
        self._process: BaseProcess = context.Process(
            target=serve, args=(self._theirs, self._mark.number, modules), name="holdfast-worker", daemon=True
        )
        self._pid = 0  # until it was started, and after it was reaped
        self._descriptor = -1
        self._poll = select.poll()
        self._lock = threading.Lock()  # held for one system call: who is signalled must not change meanwhile
        self._last: threading.Timer | None = None

    # -- its life --

    async def live(self, starter: ThreadPool) -> None:
        """Start the process, wait for its end, reap it, and clear away what it left; never raises but when cancelled.

        ``starter`` has one thread: ``multiprocessing`` cannot start and reap children in several.
        """
        status: int | None = None
        slow = self._loop.call_later(START, self._too_slow)
        try:
            with self._theirs:
                await starter.run(self._start)
            ended = self._watch()
            await self._loop.create_unix_connection(lambda: self, sock=self._channel)
            await ended
            status = await starter.run(self._reap)
        except (OSError, EOFError, RuntimeError, HoldfastError) as error:  # no process, no thread, no fork server
            _log.warning("a worker process could not be started: %s", type(error).__name__)
            self.kill()
        finally:
            slow.cancel()
            self._over(status)
        with suppress(HoldfastError):  # the pool is being closed, and clears away by itself
            await starter.run(lambda: self._clear(time.monotonic() + SWEEPING))

    def _start(self) -> None:
        self._process.start()
        self._pid = self._process.pid or 0
        with suppress(OSError):  # it is dead already
            self._descriptor = os.pidfd_open(self._pid)
            self._poll.register(self._descriptor, select.POLLIN)  # readable when the process is over

    def _reap(self) -> int | None:
        self._process.join(0)
        status = self._process.exitcode
        if status is not None:
            self._pid = 0
            self._process.close()
        return status

    def _clear(self, until: float) -> None:
        while sweep(self._mark, 0) and time.monotonic() < until:
            time.sleep(0.002)

    def _watch(self) -> asyncio.Future[None]:
        ended: asyncio.Future[None] = self._loop.create_future()
        sentinel = self._process.sentinel

        def seen() -> None:
            self._loop.remove_reader(sentinel)
            ended.set_result(None)

        self._loop.add_reader(sentinel, seen)
        ended.add_done_callback(lambda _: self._loop.remove_reader(sentinel))
        return ended

    def _too_slow(self) -> None:
        if not self.began:
            _log.warning("a worker process took more than %d s to start and is killed", START)
            self.kill()

    def _over(self, status: int | None) -> None:
        """The process is no more, or never was: say so to whoever waits for its answer."""
        self.leaving = True
        if self._answer is not None:
            _log.warning(
                "%s: its worker process ended in mid-call, exit status %s",
                self._brief.name if self._brief else "",
                status,
            )
        self._settle(_died(status))
        self._close()

    def _close(self) -> None:
        self._theirs.close()
        if self._transport is None:
            self._channel.close()
        else:
            self._transport.abort()
        if self._last is not None:
            self._last.cancel()
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    def discard(self, ends: float) -> None:
        """End it now, without the loop: wait for its death until ``ends`` (monotonic), and clear away what it left."""
        self.kill()
        self._settle(Draining("the server is shutting down", retry_after=5.0))
        if self._pid:
            self._loop.remove_reader(self._process.sentinel)
            self._process.join(max(0.0, ends - time.monotonic()))
            self._reap()
            self._clear(ends)
        self._close()

    # -- its end --

    def alive(self) -> bool:
        """Whether it can take a call: it may have died a moment ago, which nobody was told yet."""
        return not (self.leaving or self._poll.poll(0))

    def stop(self) -> None:
        """End it: the tool hears of it first, and is killed after ``GRACE`` seconds."""
        self.leaving = True
        if self._descriptor < 0 or self._last is not None:  # it is over, or told already
            return
        self._signal(signal.SIGTERM)
        self._last = threading.Timer(GRACE, self.kill)  # not the loop's: another call may block that
        self._last.daemon = True
        self._last.start()

    def kill(self) -> None:
        """End it now, with all that is in its process group."""
        self.leaving = True
        self._signal(signal.SIGKILL, group=True)

    def _signal(self, number: int, *, group: bool = False) -> None:
        """Through a descriptor of the process, so that none but ours is ever hit."""
        with self._lock, suppress(ProcessLookupError, PermissionError):
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, 0)  # while it is there, nobody else has its number
                if group:
                    with suppress(ProcessLookupError):  # it has yet to found its own
                        os.killpg(self._pid, number)
                signal.pidfd_send_signal(self._descriptor, number)


def _died(status: int | None) -> ProcessDied:
    if status == OUT_OF_MEMORY:
        text = "the tool used more memory than it may have; ask for less"
        return ProcessDied(text, status, code="isolation.memory")
    return ProcessDied("the tool crashed on this call and was ended; try other arguments", status)
