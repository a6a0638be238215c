"""Threads of their own for blocking tools: counted, never waited for, and free again only when they really are."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, Generic, Literal, TypeVar

from holdfast.errors import Busy, Draining

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which threads that are all stuck count as stuck for good: no call may take longer by default."""


_NEVER = "_holdfast_never_begins"


def never_begins(left: BaseException) -> bool:
    """Whether the cancellation came while the work was still in line: it has not begun, and will not."""
    return getattr(left, _NEVER, False)


class _Job(Generic[T]):
    """One call: what to run, in which context, and who waits for it."""

    __slots__ = ("context", "function", "future", "loop", "state")

    def __init__(self, function: Callable[[], T]) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.context: Context = copy_context()
        self.function = function
        self.state: Literal["waiting", "running", "abandoned", "done"] = "waiting"

    def perform(self) -> Callable[[], None]:
        """Run the function; returns what the event loop must do with its outcome. Never raises."""
        try:
            result = self.context.run(self.function)
        except Exception as error:  # the boundary of the thread: everything goes to whoever waits
            failure = RuntimeError("the function raised StopIteration") if isinstance(error, StopIteration) else error
            failure.__cause__ = error if failure is not error else error.__cause__
        except BaseException as error:  # SystemExit and the like must not end the thread, nor later the event loop
            failure = RuntimeError("the function tried to end its thread")
            failure.__cause__ = error
        else:
            return lambda: None if self.future.done() else self.future.set_result(result)
        outcome = failure
        return lambda: None if self.future.done() else self.future.set_exception(outcome)


class ThreadPool:
    """Up to ``workers`` daemon threads, started when needed, and a line of ``queue`` waiting calls (default: as many).

    A thread cannot be stopped. When its caller gives up, the call returns at once, and the thread counts as a zombie
    and keeps its place until its work ends. When ``max_stuck`` threads (default: all) are zombies, new calls are
    refused with ``isolation.stuck`` instead of queueing behind them; when none has ended ``patience`` seconds later,
    ``retire`` is told why (on the loop): only another process helps. Being daemons outside ``concurrent.futures``, the
    threads never hold up the interpreter's exit.
    """

    def __init__(  # noqa: PLR0913 - keywords, all with a default
        self,
        workers: int,
        *,
        name: str = "holdfast-tool",
        max_stuck: int | None = None,
        queue: int | None = None,
        retire: Callable[[str], None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        if workers < 1 or (max_stuck is not None and not 1 <= max_stuck <= workers):
            raise ValueError("a pool needs at least one worker, and max_stuck between one and the number of workers")
        self._workers = workers
        self._queue = workers if queue is None else queue
        self._name = name
        self._max_stuck = max_stuck or workers
        self._lock = threading.Lock()  # held for a few instructions only, so the event loop may take it
        self._idle: list[SimpleQueue[_Job[Any] | None]] = []
        self._waiting: deque[_Job[Any]] = deque()
        self._retire = retire
        self._patience = patience
        self._ended = 0
        self._hopeless = -1
        self._threads: set[threading.Thread] = set()
        self._busy = 0
        self._zombies = 0
        self._closed = False

    @property
    def busy(self) -> int:
        """Threads at work, zombies included."""
        return self._busy

    @property
    def zombies(self) -> int:
        """Threads at work for callers who gave up."""
        return self._zombies

    @property
    def queued(self) -> int:
        """Calls waiting for a thread."""
        return len(self._waiting)

    async def run(self, function: Callable[[], T]) -> T:
        """Call ``function`` on a thread, with a copy of this context, and return or raise its outcome.

        Raises ``Busy`` (``isolation.stuck`` when zombies hold the threads) and ``Draining`` after ``close``. When
        cancelled, a call that still waits is dropped (see ``never_begins``), and one that runs goes on as a zombie.
        """
        job = _Job(function)
        self._submit(job)
        try:
            return await job.future
        except (asyncio.CancelledError, GeneratorExit) as left:
            if self._abandon(job):
                setattr(left, _NEVER, True)
            raise

    def close(self, timeout: float) -> int:
        """Take no more calls, wait up to ``timeout`` seconds in all, and return how many threads are left behind.

        Threads that are stuck for good are not waited for: whoever is to go on in another process has waited enough.
        """
        with self._lock:
            self._closed = True
            dropped, threads = self._take_waiting(), list(self._threads)
            while self._idle:
                self._idle.pop().put(None)
        _refuse(dropped, Draining("the server is shutting down", retry_after=5.0))
        hopeless = self._hopeless == self._ended and self._zombies >= self._max_stuck
        ends = time.monotonic() + (0.0 if hopeless else timeout)  # real threads end in real time
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        return sum(thread.is_alive() for thread in threads)

    def _submit(self, job: _Job[Any]) -> None:
        with self._lock:
            self._admit()
            if self._busy >= self._workers:
                self._waiting.append(job)
                return
            inbox = self._idle.pop() if self._idle else self._start()
            self._busy += 1
            job.state = "running"
        inbox.put(job)

    def _admit(self) -> None:
        if self._closed:
            raise Draining("the server is shutting down", retry_after=5.0)
        if self._zombies >= self._max_stuck:
            raise _stuck()
        if self._busy >= self._workers and len(self._waiting) >= self._queue:
            raise Busy("all worker threads are busy; try again later", retry_after=1.0)

    def _start(self) -> SimpleQueue[_Job[Any] | None]:
        inbox: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        name = f"{self._name}-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._work, args=(inbox,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine is out of threads
            raise Busy("no worker thread can be started; try again later", retry_after=5.0) from error
        self._threads.add(thread)
        return inbox

    def _work(self, inbox: SimpleQueue[_Job[Any] | None]) -> None:
        """The thread: work until told to stop; keeps no reference to a finished job while idle."""
        while (job := inbox.get()) is not None:
            following: _Job[Any] | None = job
            while following is not None:
                following = self._perform(following, inbox)
            del job
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _perform(self, job: _Job[Any], inbox: SimpleQueue[_Job[Any] | None]) -> _Job[Any] | None:
        """Run one job, settle the accounts, and return the one that waited longest, if any."""
        deliver = job.perform()
        with self._lock:
            self._zombies -= job.state == "abandoned"
            self._ended += 1
            job.state = "done"
            following = self._waiting.popleft() if self._waiting else None
            if following is not None:
                following.state = "running"
            else:
                self._busy -= 1
                self._rest(inbox)
        _post(job, deliver)
        return following

    def _rest(self, inbox: SimpleQueue[_Job[Any] | None]) -> None:
        if self._closed:
            inbox.put(None)
        else:
            self._idle.append(inbox)

    def _abandon(self, job: _Job[Any]) -> bool:
        """The caller gave up: drop a waiting job, count a running one; when all are stuck, nobody waits in vain.

        Returns whether it was dropped."""
        dropped: list[_Job[Any]] = []
        with self._lock:
            waited = job.state == "waiting"
            if waited:
                self._waiting.remove(job)
                job.state = "done"
            elif job.state == "running":
                job.state = "abandoned"
                self._zombies += 1
                if self._zombies >= self._workers:
                    dropped = self._take_waiting()
                if self._zombies >= self._max_stuck and self._retire is not None:
                    job.loop.call_later(self._patience, self._still_stuck, self._ended)
        _refuse(dropped, _stuck())
        return waited

    def _still_stuck(self, ended: int) -> None:
        """Time is over since the last thread got stuck: when none has ended meanwhile, none will."""
        if self._retire is not None and self._ended == ended and not self._closed:
            self._hopeless = ended
            self._retire(f"{self._zombies} of {self._workers} worker threads are stuck for good")

    def _take_waiting(self) -> list[_Job[Any]]:
        dropped = list(self._waiting)
        self._waiting.clear()
        for job in dropped:
            job.state = "done"
        return dropped


def _stuck() -> Busy:
    text = "the worker threads are stuck in earlier calls; try again later"
    return Busy(text, retry_after=5.0, code="isolation.stuck")


def _refuse(jobs: list[_Job[Any]], refusal: Busy | Draining) -> None:
    for job in jobs:
        _post(job, lambda job=job: None if job.future.done() else job.future.set_exception(refusal))  # type: ignore[misc]


def _post(job: _Job[Any], deliver: Callable[[], None]) -> None:
    """Hand the outcome to the job's event loop; when that loop is gone, so is whoever waited."""
    try:
        job.loop.call_soon_threadsafe(deliver)
    except RuntimeError:  # the loop is closed
        return
