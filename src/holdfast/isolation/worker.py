"""What runs inside a worker process: bounds set once, then one call at a time, bytes in and bytes out."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import time

from holdfast.isolation.parcel import pack_answer, pack_error, unpack_call

OUT_OF_MEMORY = 75
"""Exit status of a worker that reached its memory limit (EX_TEMPFAIL, sysexits.h)."""
_CPU_SLACK = 2
"""Seconds of processor time beyond the timeout; a second line, the kill at the timeout normally comes first."""
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def prepare(memory: int | None) -> None:  # pragma: no cover - runs in workers; tests see its effects from outside
    """Quiet streams, no core files, at most ``memory`` bytes of data, and death together with the server."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # unbuffered: workers are killed, not closed
    log = logging.getLogger(__name__)
    _limit(memory, log)
    _die_with_server(log)


def _limit(memory: int | None, log: logging.Logger) -> None:  # pragma: no cover - runs in workers
    try:
        import resource
    except ImportError:
        log.warning("this system cannot limit the memory of worker processes")
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


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

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    pipe = server.sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if not server.is_alive():  # it died before the signal was armed
        os._exit(1)


def perform(payload: bytes, ends: float, max_result: int) -> bytes:
    """Make one call and return its packed answer; never raises (see ``holdfast.isolation.parcel``).

    ``ends`` is a time of the system's monotonic clock, which all its processes share: a call that comes too late is
    not started. An answer of more than ``max_result`` bytes stays here.
    """
    left = ends - time.monotonic()
    if left <= 0:
        return pack_answer("late", None)
    _limit_processor_time(left)
    try:
        function, args = unpack_call(payload)
        answer = pack_answer("value", function(*args))
    except MemoryError:  # pragma: no cover - runs in workers
        os._exit(OUT_OF_MEMORY)  # a fresh process is the only one sure to be whole again
    except BaseException as error:  # the boundary of the process: everything goes to whoever waits
        answer = pack_error(error)
    return answer if len(answer) <= max_result else pack_answer("large", None)


def _limit_processor_time(seconds: float) -> None:
    """End the process (SIGXCPU) soon after ``seconds`` on all processors, should nobody be left to kill it."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed = usage.ru_utime + usage.ru_stime + seconds * (os.cpu_count() or 1)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(allowed) + _CPU_SLACK
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
