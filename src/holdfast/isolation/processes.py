"""Processes for work that may crash, eat memory or never end: each can be killed without hurting its siblings."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from holdfast.core.limits import LEAST_MEMORY
from holdfast.errors import Busy, ConfigurationError, Draining, ProcessDied
from holdfast.isolation.channel import Heard, refuse
from holdfast.isolation.member import Member
from holdfast.isolation.parcel import Brief, late, pack_call, unpack_answer
from holdfast.isolation.threads import ThreadPool
from holdfast.safe.descendants import adopt_orphans

__all__ = ["ProcessDied", "ProcessPool"]

T = TypeVar("T")

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of a pickled answer, unless a call asks for another bound."""
_WORKERS_TRIED = 3
"""Workers that one call is given to, when one after the other ends before it has read it."""
_MODULES = 64
"""Modules that new workers import before they take calls; the first that calls needed."""
_SHARE = 4
"""A worker that kept more than this part of a call's memory limit from earlier calls is replaced before it."""


class ProcessPool:
    """Up to ``workers`` processes, kept warm, and a line of at most ``queue`` waiting calls.

    A call may use ``memory`` bytes of data (RLIMIT_DATA; the interpreter included). A worker is replaced after
    ``max_calls`` calls, when a call left processes running, and when it is killed; it dies with the server. This
    contains crashes, leaks and endless loops. It is no boundary against hostile code: a worker has the server's user,
    files and network, and its answers are unpickled. Timeouts are real time, whatever the clock. Contextvars do not
    travel. Belongs to one event loop. Raises ``ConfigurationError`` where there is no fork server (Windows).
    """

    def __init__(
        self,
        workers: int,
        *,
        memory: int | None = None,
        queue: int = 64,
        max_calls: int = 1_000,
        max_result: int = MAX_ANSWER,
    ) -> None:
        if workers < 1 or queue < 0 or (memory is not None and memory < LEAST_MEMORY):
            raise ValueError("a pool needs at least one worker, a queue of zero or more, and 64 MiB for each worker")
        if sys.platform == "win32":
            raise ConfigurationError('isolation="process" needs Linux or macOS; let the tool run in a thread')
        self._workers = workers
        self._memory = memory
        self._queue = queue
        self._max_calls = max_calls
        self._max_result = max_result
        self._context: Any = None
        self._starter = ThreadPool(1, name="holdfast-starter", queue=4 * workers)
        self._members: dict[Member, asyncio.Task[None]] = {}  # at most ``workers``
        self._idle: list[Member] = []
        self._waiting: deque[tuple[asyncio.Future[Member], int | None]] = deque()  # bounded in ``_admit``
        self._modules: dict[str, None] = {}
        self._barred: set[str] = set()  # bounded as those are: modules that a worker did not survive importing
        self._closed = False

    @property
    def busy(self) -> int:
        """Workers at work, those that are being ended included."""
        return sum(member.leaving or (member.began and member not in self._idle) for member in self._members)

    @property
    def queued(self) -> int:
        """Calls waiting for a worker."""
        return len(self._waiting)

    async def run(  # noqa: PLR0913 - keywords, each with its own meaning
        self,
        function: Callable[..., T],
        *args: Any,
        timeout: float,  # noqa: ASYNC109 - it kills
        memory: int | None = None,
        answer: int | None = None,
        name: str = "",
        identity: tuple[str, Any, str] | None = None,
        heard: Heard | None = None,
        begun: Callable[[], None] | None = None,
    ) -> T:
        """Call ``function(*args)`` in a worker; both must be picklable, which means importable by name.

        ``timeout`` (seconds) covers waiting too; at its end, or when cancelled, the worker is ended. ``memory`` and
        ``answer`` (bytes) stand in for the pool's own. What is printed goes to standard error after ``name``. With
        ``identity`` (``parcel.Brief``) there is a context, and ``heard`` is told what comes of it. ``begun`` is called
        once a worker may have begun: what ends without that has done nothing. Raises what the function raises (with
        the remote traceback as a note), ``DeadlineExceeded``, ``Busy`` when the line is full, ``OutputTooLarge``,
        ``ProcessDied``, ``Draining``, and ``TypeError`` when the call cannot be pickled.
        """
        payload = pack_call(function, args)
        ends, memory = time.monotonic() + timeout, memory or self._memory
        name = name or getattr(function, "__name__", "")
        self._remember(function)
        brief = Brief(name, ends, memory, answer or self._max_result, identity)
        value: T = unpack_answer(await self._call(brief, payload, heard, begun))
        return value

    async def _call(self, brief: Brief, payload: bytes, heard: Heard | None, begun: Callable[[], None] | None) -> bytes:
        """Give the call to a worker; to another one if that was killed from outside before it had read it."""
        for _ in range(_WORKERS_TRIED):
            member = await self._member(brief.memory, brief.ends)
            try:
                return await member.call(brief, payload, heard)
            except ProcessDied:
                if not member.unread:
                    raise
            finally:
                if begun is not None and not member.unread:
                    begun()
        raise ProcessDied("no process for the tool lived long enough; try again later", code="isolation.unavailable")

    def close(self, timeout: float = 5.0) -> None:
        """Take no more calls, end those under way, kill the workers, and wait for that up to ``timeout`` seconds."""
        self._closed = True
        ends = time.monotonic() + timeout
        for member in self._members:
            member.kill()
        self._starter.close(timeout)
        for member, life in self._members.items():
            member.discard(ends)
            life.cancel()
        while self._waiting:
            refuse(self._waiting.popleft()[0], _draining())
        self._idle.clear()
        self._members.clear()

    def _remember(self, function: Callable[..., Any]) -> None:
        module = getattr(function, "__module__", None)
        if isinstance(module, str) and len(self._modules) + len(self._barred) < _MODULES and module not in self._barred:
            self._modules[module] = None

    async def _member(self, memory: int | None, ends: float) -> Member:
        """An idle worker, or the next that is: started if need be, which goes on when this call gives up."""
        if self._closed:
            raise _draining()
        left = ends - time.monotonic()
        if left <= 0:
            raise late()
        if not self._waiting and (member := self._fitting(memory)) is not None:
            return member
        if len(self._waiting) >= self._queue + self._workers - self.busy:
            raise Busy("all worker processes are busy; try again later", retry_after=1.0)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Member] = loop.create_future()
        self._waiting.append((waiter, memory))
        self._grow()
        timer = loop.call_later(left, refuse, waiter, late())
        try:
            return await waiter
        except BaseException:  # cancelled or refused
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._free(waiter.result())  # it came in the very moment in which its caller gave up
            raise
        finally:
            timer.cancel()
            with suppress(ValueError):
                self._waiting.remove((waiter, memory))

    def _fitting(self, memory: int | None) -> Member | None:
        """The idle worker that was used last and kept little; one that kept too much makes room for a new one."""
        self._idle = [member for member in self._idle if member.alive()]
        for member in reversed(self._idle):
            if memory is None or member.grown <= memory // _SHARE:
                self._idle.remove(member)
                return member
        if self._idle and len(self._members) >= self._workers:
            self._idle.pop(0).stop()
        return None

    def _free(self, member: Member) -> None:
        """A worker is ready for a call: the one that waits longest gets it, if it suits that one."""
        if member.leaving:
            return
        if member.calls >= self._max_calls:
            member.stop()
            return
        self._idle.append(member)
        while self._waiting and self._idle:
            waiter, memory = self._waiting[0]
            if waiter.done():  # it gave up in this moment
                self._waiting.popleft()
                continue
            if (fitting := self._fitting(memory)) is None:
                break
            self._waiting.popleft()
            waiter.set_result(fitting)
        self._grow()

    def _grow(self) -> None:
        """Start workers, as far as there are places, for those who wait and nobody is about to come for."""
        coming = sum(not (member.began or member.leaving) for member in self._members)
        for _ in range(min(len(self._waiting) - coming, self._workers - len(self._members))):
            self._start()

    def _start(self) -> None:
        if self._context is None:
            self._context = _fork_server()
        modules = tuple(self._modules)
        member = Member(self._context, modules, self._free)
        apart = contextvars.Context()  # not the call's that needs it first: what a call starts ends with it
        work = member.live(self._starter)
        task = asyncio.get_running_loop().create_task(work, name="holdfast-worker", context=apart)
        self._members[member] = task
        task.add_done_callback(lambda _: self._gone(member, modules))

    def _gone(self, member: Member, modules: tuple[str, ...]) -> None:
        """A worker is dead and cleared away. In place of one that had served another is started, to be warm."""
        self._members.pop(member, None)
        if self._closed:
            return
        with suppress(ValueError):
            self._idle.remove(member)
        if not member.began and modules:  # one of them may have ended it: the next worker imports what it is asked for
            self._barred.update(modules)
            self._modules.clear()
        elif not member.began and self._waiting:  # each failure is told to one, so that nobody waits for ever
            failed = ProcessDied(
                "no process for the tool could be started; try again later", code="isolation.unavailable"
            )
            refuse(self._waiting.popleft()[0], failed)
        self._grow()
        if member.began and not any(not other.leaving for other in self._members):
            self._start()


def _fork_server() -> Any:
    import multiprocessing

    adopt_orphans()  # what a dead worker leaves becomes ours, so that it can be reaped
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["holdfast.isolation.quiet", "holdfast.isolation.worker", "holdfast.core.function"])
    return context


def _draining() -> Draining:
    return Draining("the server is shutting down", retry_after=5.0)
