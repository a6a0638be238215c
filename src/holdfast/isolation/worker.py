"""What runs inside a worker process: bounds set once, then one call at a time, frames in and frames out."""

from __future__ import annotations

import gc
import importlib
import logging
import math
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from holdfast.isolation.parcel import (
    ANSWER,
    HEADER,
    MAX_MESSAGES,
    MESSAGE,
    READY,
    VERDICT,
    Brief,
    frame,
    pack_answer,
    pack_error,
    pack_message,
    pack_value,
    unpack_brief,
    unpack_call,
)
from holdfast.isolation.remote import NamedLines, RemoteContext

if TYPE_CHECKING:
    import socket

OUT_OF_MEMORY = 75
"""Exit status of a worker that reached its memory limit (EX_TEMPFAIL, sysexits.h)."""
ALARM_SLACK = 0.4
"""Seconds after the deadline at which the kernel ends a worker that nobody ended; the server's own kill comes first."""
_CPU_SLACK = 2
"""Seconds of processor time beyond the timeout; a third line, for a call that took the alarm away."""
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


class Stopped(BaseException):
    """Raised in a tool whose call is over: its ``finally`` has a moment; it is killed when it goes on."""


class _Worker:  # pragma: no cover - runs in workers; tests see its effects from outside
    """The worker's end of the channel."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.RLock()  # a thread of the tool's may report progress too
        self._stream: BinaryIO = channel.makefile("rb")
        self._said = 0
        self._context: RemoteContext | None = None
        self._stopped = False
        self._printed = [NamedLines(1), NamedLines(2)]
        sys.stdout, sys.stderr = self._printed

    def serve(self) -> None:
        """Work until the server closes the channel, wants this worker to end, or a call left something running."""
        signal.signal(signal.SIGTERM, self._stop)
        self._channel.sendall(frame(READY, VERDICT.pack(False, _data())))
        while (brief := self._next()) is not None:
            answer = self._perform(*brief)
            leaves = _children() or self._stopped
            with self._lock:
                self._channel.sendall(frame(ANSWER, VERDICT.pack(leaves, _data()), answer))
            del answer, brief
            if leaves:
                os._exit(0)

    def say(self, kind: str, values: dict[str, Any]) -> None:
        """Send a message; too many or too long ones are dropped."""
        message = pack_message(kind, values)
        with self._lock:
            self._said += 1
            if message is not None and self._said <= MAX_MESSAGES and self._context is not None:
                self._channel.sendall(frame(MESSAGE, message))

    def _next(self) -> tuple[Brief, bytes] | None:
        header = self._stream.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        data = self._stream.read(HEADER.unpack(header)[1])
        return unpack_brief(data)

    def _perform(self, brief: Brief, payload: bytes) -> bytes:
        self._said = 0
        for stream in self._printed:
            stream.name = brief.name
        if brief.identity is not None:
            from holdfast.core.context import current_context

            self._context = RemoteContext(brief, self.say)
            current_context.set(self._context)  # type: ignore[arg-type]  # the part of it that works here
        self._arm(max(0.0, brief.ends - time.monotonic()) + ALARM_SLACK)
        try:
            return perform(brief, payload)
        finally:
            self._arm(0)
            with self._lock:
                self._context = None
            for stream in self._printed:
                stream.flush()

    def _arm(self, seconds: float) -> None:
        """Have the kernel itself end this process then, even while C code holds the GIL; 0 takes it back."""
        if sys.platform != "win32":
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def _stop(self, *_: object) -> None:
        if self._context is not None:
            self._context.cancelled = True
        self._stopped = True
        raise Stopped


def serve(channel: socket.socket, mark: int, modules: tuple[str, ...]) -> None:  # pragma: no cover - runs in workers
    """The whole life of a worker. ``modules`` are those that earlier calls needed: imported outside any deadline."""
    prepare(mark)
    for name in modules:
        with suppress(Exception, SystemExit):  # the call that needs it will say so
            importlib.import_module(name)
    gc.freeze()  # what every call finds is never looked through again
    with suppress(BrokenPipeError, ConnectionResetError, Stopped):  # the server is gone, or wants no more
        _Worker(channel).serve()
    os._exit(0)


def prepare(mark: int) -> None:  # pragma: no cover - runs in workers; tests see its effects from outside
    """A session of its own, quiet streams, no core files, a mark on all descendants, and death with the server."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    log = logging.getLogger(__name__)
    if sys.platform == "win32":
        log.warning("this system cannot limit the memory of worker processes, nor tie them to the server")
        return
    import resource

    os.setsid()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_RSS, (mark, mark))
    _die_with_server(log)


def _die_with_server(log: logging.Logger) -> None:  # pragma: no cover - runs in workers
    """Have the kernel kill this process when the server or the fork server dies, even while C code holds the GIL.

    PR_SET_PDEATHSIG watches the fork server only, and that one lives for as long as any worker does, because each
    worker inherits the pipe by which it notices the server's end. The server itself is watched through the pipe that
    ``multiprocessing`` keeps open to every child: its end of file raises a signal (fcntl(2), O_ASYNC, F_SETSIG).
    """
    import multiprocessing

    server = multiprocessing.parent_process()
    if server is None:
        return
    if not sys.platform.startswith("linux"):
        log.warning("this system cannot tie worker processes to the server; a busy one may outlive it")
        return
    import ctypes
    import fcntl

    from holdfast.safe.descendants import adopt_orphans

    adopt_orphans()  # so that what a call leaves running is seen, however it detached itself
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    pipe = server.sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if not server.is_alive():  # it died before the signal was armed
        os._exit(1)


def perform(brief: Brief, payload: bytes) -> bytes:
    """Make one call and return its packed answer; never raises (see ``holdfast.isolation.parcel``).

    A call that comes too late is not started. An answer of more than ``brief.answer`` bytes stays here.
    """
    left = brief.ends - time.monotonic()
    if left <= 0:
        return pack_answer("late", None)
    _limit(left, brief.memory)
    try:
        function, args = unpack_call(payload)
        answer = pack_value(function(*args))
    except MemoryError:  # pragma: no cover - runs in workers
        os._exit(OUT_OF_MEMORY)  # a fresh process is the only one sure to be whole again
    except BaseException as error:  # the boundary of the process: everything goes to whoever waits
        answer = pack_error(error)
    finally:
        _unlimit()
    return answer if len(answer) <= brief.answer else pack_answer("large", None)


def _limit(seconds: float, memory: int | None) -> None:
    """Bound what this call takes: bytes of data (RLIMIT_DATA), and seconds of processor time on all processors."""
    if sys.platform == "win32":  # pragma: no cover - Windows has neither
        return
    import resource

    if memory is not None:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (_at_most(memory, hard), hard))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed = usage.ru_utime + usage.ru_stime + seconds * (os.cpu_count() or 1)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(math.ceil(allowed) + _CPU_SLACK, hard), hard))


def _unlimit() -> None:
    """Between calls nothing may end a worker that reads its next one."""
    if sys.platform == "win32":  # pragma: no cover - Windows has neither
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _at_most(wanted: int, hard: int) -> int:
    return min(wanted, sys.maxsize if hard < 0 else hard)  # RLIM_INFINITY is negative here


def _children() -> bool:  # pragma: no cover - runs in workers
    """Whether a call left processes behind; then this worker goes, and they go with it."""
    if sys.platform == "win32":
        return False
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _data() -> int:  # pragma: no cover - runs in workers
    """Bytes of data that this process holds (the figure that RLIMIT_DATA bounds); 1.5 us."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
