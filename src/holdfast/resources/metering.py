"""What the work of one call takes of a processor, counted step by step: its own time and nobody else's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from time import perf_counter, thread_time
from typing import Any


class Meter:
    """Implements ``core.pipeline.Meter``. Used by one call at a time.

    Counted are the steps of the work on the event loop, or its time on a worker thread; a process of its own counts by
    the clock on the wall, which is the most that one thread can take. Not counted: tasks and programs that the work
    starts besides.
    """

    __slots__ = ("_busy", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._busy = False

    def stepped(self, work: Awaitable[Any]) -> Awaitable[Any]:
        """See ``core.pipeline.Meter``."""
        return _Stepped(work, self)

    def timed(self, work: Callable[[], Any]) -> Any:
        """See ``core.pipeline.Meter``."""
        begun = thread_time()
        self._busy = True
        try:
            return work()
        finally:
            self._busy = False
            self.seconds += thread_time() - begun

    def spent(self, elapsed: float) -> float:
        """See ``core.pipeline.Meter``."""
        return max(self.seconds, elapsed) if self._busy else self.seconds

    async def wait(self, work: Awaitable[Any]) -> Any:
        """See ``core.pipeline.Meter``."""
        begun = perf_counter()
        try:
            return await work
        finally:
            self.seconds += perf_counter() - begun


class _Stepped:
    """Passes on what the work waits for, and what it is told; looks at the clock before and after each step."""

    __slots__ = ("_meter", "_work")

    def __init__(self, work: Awaitable[Any], meter: Meter) -> None:
        self._work = work
        self._meter = meter

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, meter = self._work.__await__(), self._meter
        step: Callable[[], Any] = lambda: next(steps)  # noqa: E731 - one of three forms of the same thing
        while True:
            try:
                awaited = meter.timed(step)
            except StopIteration as end:
                return end.value
            try:
                told = yield awaited
            except GeneratorExit:
                _closed(steps)
                raise
            except BaseException as error:  # passed on: cancellation is the work's to hear
                step = _thrower(steps, error)
            else:
                step = _sender(steps, told)


def _thrower(steps: Generator[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: steps.throw(error)


def _sender(steps: Generator[Any, Any, Any], told: Any) -> Callable[[], Any]:
    return lambda: steps.send(told)


def _closed(steps: Any) -> None:
    close = getattr(steps, "close", None)
    if close is not None:
        close()
