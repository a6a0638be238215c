"""Processes for work that may crash, eat memory or never end: each can be killed without hurting its siblings."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.errors import Busy, ConfigurationError, Draining, HoldfastError
from holdfast.isolation.parcel import late, pack_call, unpack_answer
from holdfast.isolation.worker import OUT_OF_MEMORY, perform, prepare

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pebble

T = TypeVar("T")

TERM_TIMEOUT = 0.2
"""Seconds between SIGTERM and SIGKILL; pebble's 3 s made a timeout of 0.5 s take 3.6 s (measured)."""
_POLL = 0.02
"""Seconds between looks at a worker that is being killed."""
_STUCK_AFTER = 5.0
"""Seconds after which a call that had a place and yet no worker took it means that the pool itself is broken."""
_LEAST_MEMORY = 64 * 1024 * 1024
"""An interpreter with its libraries needs about half of this."""

_log = logging.getLogger(__name__)


class ProcessDied(HoldfastError):
    """The worker process ended in mid-call: a crash, a kill from outside, or its memory limit.

    ``exit_status`` is negative for a signal, and ``None`` when nobody knows.
    """

    code = "isolation.process_died"

    def __init__(self, message: str, exit_status: int | None = None) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class ProcessPool:
    """Up to ``workers`` processes, kept warm, and a line of at most ``queue`` waiting calls.

    Each worker may use ``memory`` bytes of data (RLIMIT_DATA), is replaced after ``max_calls`` calls, and dies with
    the server. This contains crashes, leaks and endless loops. It is no boundary against hostile code: a worker has
    the server's user, files and network, and its answers are unpickled. Timeouts are real time, whatever the clock.
    Contextvars do not travel. Belongs to one event loop. Needs pebble (the extra ``holdfast[process]``).
    """

    def __init__(
        self,
        workers: int,
        *,
        memory: int | None = None,
        queue: int = 64,
        max_calls: int = 1_000,
        max_result: int = 16 * 1024 * 1024,
    ) -> None:
        if importlib.util.find_spec("pebble") is None:
            raise ConfigurationError('tools with isolation="process" need pebble: pip install "holdfast[process]"')
        if workers < 1 or queue < 0 or (memory is not None and memory < _LEAST_MEMORY):
            raise ValueError("a pool needs at least one worker, a queue of zero or more, and 64 MiB for each worker")
        self._workers = workers
        self._memory = memory
        self._queue = queue
        self._max_calls = max_calls
        self._max_result = max_result
        self._places = asyncio.Semaphore(workers)
        self._pool: pebble.ProcessPool | None = None
        self._calls: set[Future[bytes]] = set()  # at most one for each worker
        self._busy = 0
        self._waiting = 0
        self._closed = False

    @property
    def busy(self) -> int:
        """Workers at work, those that are being killed included."""
        return self._busy

    @property
    def queued(self) -> int:
        """Calls waiting for a worker."""
        return self._waiting

    async def run(self, function: Callable[..., T], *args: Any, timeout: float) -> T:  # noqa: ASYNC109 - it kills
        """Call ``function(*args)`` in a worker; both must be picklable, which means importable by name.

        ``timeout`` (seconds) covers waiting too; at its end, or when cancelled, the worker is killed. Raises what the
        function raises (with the remote traceback as a note), ``DeadlineExceeded``, ``Busy`` when the line is full,
        ``OutputTooLarge``, ``ProcessDied``, and ``TypeError`` when the call cannot be pickled.
        """
        payload = pack_call(function, args)
        ends = time.monotonic() + timeout
        await self._enter(ends)
        try:
            pool = self._live_pool()
            future: Future[bytes] = pool.schedule(perform, args=(payload, ends, self._max_result), timeout=timeout)
        except Exception as error:  # whatever pebble raises when processes cannot be started
            self._leave()
            if self._closed:
                raise _draining() from None
            raise ProcessDied("no worker process could be started") from error
        value: T = unpack_answer(await self._answer(pool, future, ends))
        return value

    def close(self, timeout: float = 5.0) -> None:
        """Take no more calls, end those under way, kill the workers, and wait for that up to ``timeout`` seconds."""
        self._closed = True
        for future in tuple(self._calls):
            future.cancel()
        pool, self._pool = self._pool, None
        if pool is not None:
            _discard(pool).join(timeout)

    async def _enter(self, ends: float) -> None:
        if self._closed:
            raise _draining()
        if self._places.locked() and self._waiting >= self._queue:
            raise Busy("all worker processes are busy; try again later", retry_after=1.0)
        self._waiting += 1
        try:
            async with asyncio.timeout(ends - time.monotonic()):
                await self._places.acquire()
        except TimeoutError:
            raise late() from None
        finally:
            self._waiting -= 1
        self._busy += 1

    def _leave(self) -> None:
        self._busy -= 1
        self._places.release()

    async def _answer(self, pool: pebble.ProcessPool, future: Future[bytes], ends: float) -> bytes:
        """The worker's answer, on time; the place is given back when the worker is free or dead, not before."""
        answer = asyncio.wrap_future(future)
        answer.add_done_callback(_retrieve)
        started = time.monotonic()
        self._calls.add(future)
        try:
            await asyncio.wait((answer,), timeout=max(0.0, ends - started))
        finally:
            waited_for_nothing = not (future.done() or future.running())
            future.cancel()
            self._calls.discard(future)
            if waited_for_nothing:  # perform() and pebble see to it that it never runs, or not for long
                self._leave()
            else:
                self._leave_when_over(pool, future)
        if waited_for_nothing and time.monotonic() - started >= _STUCK_AFTER:
            self._replace(pool)
        if not answer.done() or answer.cancelled():
            raise _draining() if self._closed else late()
        return _result(answer)

    def _leave_when_over(self, pool: pebble.ProcessPool, future: Future[bytes]) -> None:
        if self._pool is not pool or _over(future):
            self._leave()
        else:
            asyncio.get_running_loop().call_later(_POLL, self._leave_when_over, pool, future)

    def _live_pool(self) -> pebble.ProcessPool:
        """The pool, replaced when it broke: pebble gives up as a whole when, say, an idle worker is killed."""
        if self._closed:
            raise _draining()
        if self._pool is not None and not self._pool.active:
            self._replace(self._pool)
        if self._pool is None:
            self._pool = self._new_pool()
        return self._pool

    def _replace(self, pool: pebble.ProcessPool) -> None:
        if self._pool is pool:
            _log.warning("the pool of worker processes broke and is replaced")
            self._pool = None
            _discard(pool)

    def _new_pool(self) -> pebble.ProcessPool:
        import multiprocessing

        import pebble
        from pebble.common.types import CONSTS

        CONSTS.term_timeout = TERM_TIMEOUT
        context: Any
        if "forkserver" in multiprocessing.get_all_start_methods():
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["holdfast.isolation.quiet", "holdfast.isolation.worker"])
        else:  # pragma: no cover - Windows
            context = multiprocessing.get_context("spawn")
        return pebble.ProcessPool(
            self._workers, max_tasks=self._max_calls, initializer=prepare, initargs=(self._memory,), context=context
        )


def _discard(pool: pebble.ProcessPool) -> threading.Thread:
    """Kill a pool's workers on a thread of its own, because joining them blocks."""

    def stop() -> None:
        pool.stop()  # type: ignore[no-untyped-call]  # pebble leaves it unannotated
        pool.join()

    thread = threading.Thread(target=stop, name="holdfast-pool-stop", daemon=True)
    thread.start()
    return thread


def _result(answer: asyncio.Future[bytes]) -> bytes:
    """What the pool delivered, its own errors translated; those of the function travel inside the bytes."""
    error = answer.exception()
    if error is None:
        return answer.result()
    if isinstance(error, TimeoutError):
        raise late() from None
    status = getattr(error, "exitcode", None)
    if status == OUT_OF_MEMORY:
        raise ProcessDied("the worker process reached its memory limit", status)
    raise ProcessDied(f"the worker process ended in mid-call (exit status {status})", status) from error


def _draining() -> Draining:
    return Draining("the server is shutting down", retry_after=5.0)


def _over(future: Future[bytes]) -> bool:
    """Whether pebble is done with the call; a cancelled one counts only when its worker was dealt with."""
    from concurrent.futures import wait

    return bool(wait((future,), timeout=0).done)


def _retrieve(answer: asyncio.Future[bytes]) -> None:
    """Look at the exception, so that an abandoned call never ends as "exception was never retrieved"."""
    if not answer.cancelled():
        answer.exception()
