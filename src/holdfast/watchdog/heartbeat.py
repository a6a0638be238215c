"""Measures the event loop's lag from inside, and sees from a thread of its own when it stands still."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from holdfast.core.clock import Clock
from holdfast.watchdog.interrupt import Interrupter


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds: between heartbeats, of lag that is reported, and of a blocked loop after which its call is interrupted
    whatever its deadline."""

    heartbeat: float = 0.05
    lag: float = 0.1
    interrupt: float = 10.0


@dataclass(frozen=True, slots=True)
class Block:
    """A loop found standing still: for how long so far, and what its thread was doing."""

    seconds: float
    stack: str


class Heartbeat:
    """The loop writes the time; a daemon thread reads it. The thread is blind while C code holds the GIL, which is why
    a supervisor in another process is the last line."""

    def __init__(
        self,
        clock: Clock,
        thresholds: Thresholds,
        *,
        on_lag: Callable[[float], None],
        on_block: Callable[[Block], None],
    ) -> None:
        self._clock = clock
        self._thresholds = thresholds
        self._on_lag = on_lag
        self._on_block = on_block
        self._beat = clock.now()
        self._stop = threading.Event()
        self._interrupter = Interrupter(self._overdue)
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._loop_thread = 0
        self.lag = 0.0

    @property
    def interrupts(self) -> int:
        """Calls interrupted so far."""
        return self._interrupter.fired

    def start(self) -> None:
        """Begin, on the running loop."""
        self._beat = self._clock.now()
        self._loop_thread = threading.get_ident()
        self._task = asyncio.get_running_loop().create_task(self._pulse(), name="holdfast-heartbeat")
        self._interrupter.install()
        self._thread = threading.Thread(target=self._watch, name="holdfast-heartbeat", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End the task and the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
        if self._thread is None or not self._thread.is_alive():
            self._interrupter.remove()  # only now: a signal without its handler would end the process
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _pulse(self) -> None:
        every = self._thresholds.heartbeat
        while True:
            before = self._clock.now()
            await asyncio.sleep(every)
            self._beat = self._clock.now()
            self.lag = max(0.0, self._beat - before - every)
            self._on_lag(self.lag)

    def _overdue(self, deadline: float) -> bool:
        now = self._clock.now()
        return now >= deadline or now - self._beat >= self._thresholds.interrupt

    def _watch(self) -> None:
        told = False
        while not self._stop.wait(self._thresholds.heartbeat):
            stood = self._clock.now() - self._beat - self._thresholds.heartbeat
            if stood < self._thresholds.lag:
                told = False
                continue
            if not told:
                told = True
                self._on_block(Block(stood, self._stack()))
            self._interrupter.fire()

    def _stack(self) -> str:
        frame: FrameType | None = sys._current_frames().get(self._loop_thread)
        return "" if frame is None else "".join(traceback.format_stack(frame, limit=20))
