"""Measures the event loop's lag from inside, and sees from a thread of its own when it stands still."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from holdfast.core.clock import Clock
from holdfast.watchdog.faults import FaultReports
from holdfast.watchdog.interrupt import Interrupter
from holdfast.watchdog.stacks import all_stacks, stack_of, tool_of
from holdfast.watchdog.watch import Aside

Step = Literal["stuck", "past", "free"]
"""All stacks are shown; interrupting has not helped; the loop answers again."""
_REARM = 5
"""The timer of C is set anew so many times before it would fire: it then shows the stacks up to a fifth too late."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds: between heartbeats, of lag that is reported, of a blocked loop after which its call is interrupted
    whatever its deadline, after which all stacks are shown, and after which only a new process helps."""

    heartbeat: float = 0.05
    lag: float = 0.1
    interrupt: float = 10.0
    dump: float = 5.0
    restart: float = 13.0


@dataclass(frozen=True, slots=True)
class Block:
    """A loop found standing still: for how long so far, what its thread was doing, in whose call, if in one's, and
    whether that was interrupted. No stack: the interpreter was held all the time, so that no other thread could look.
    """

    seconds: float
    stack: str
    tool: str | None = None
    interrupted: bool = False


class Heartbeat:
    """The loop writes the time; a daemon thread reads it. The thread is blind while C code holds the GIL, which is why
    a supervisor in another process is the last line, and why a timer of C shows where the loop stood.

    ``on_block`` hears of each block once, mostly from that thread; ``on_step`` of what came of it: "stuck" and "past"
    from the thread, and "free", with the whole time, on the loop.
    """

    def __init__(  # noqa: PLR0913 - keywords, each told of something else
        self,
        clock: Clock,
        thresholds: Thresholds,
        *,
        on_lag: Callable[[float], None],
        on_block: Callable[[Block], None],
        on_step: Callable[[Step, Block], None] | None = None,
        aside: Callable[[], Aside | None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._thresholds = thresholds
        self._on_lag = on_lag
        self._on_block = on_block
        self._on_step = on_step
        self._beat = clock.now()
        self._stop = threading.Event()
        self._interrupter = Interrupter(self._overdue, self._stuck)
        self._faults = FaultReports(aside)
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._loop_thread = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen: Block | None = None
        self._worst = 0.0
        self._fired = 0
        self._armed_at = -1.0
        self.lag = 0.0

    @property
    def interrupts(self) -> int:
        """Calls interrupted so far."""
        return self._interrupter.fired

    def worst(self) -> float:
        """The longest lag since this was asked last, in seconds."""
        worst, self._worst = self._worst, 0.0
        return worst

    def start(self) -> None:
        """Begin, on the running loop."""
        self._beat = self._clock.now()
        self._loop_thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._pulse(), name="holdfast-heartbeat")
        self._interrupter.install()
        self._faults.start()
        self._thread = threading.Thread(target=self._watch, name="holdfast-heartbeat", daemon=True)
        self._thread.start()

    def told_aside(self) -> None:
        """See ``Hooks.aside``: it is there from now on."""
        self._faults.move()

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
        self._faults.stop()

    # -- on the loop ---------------------------------------------------------------------------------------------------

    async def _pulse(self) -> None:
        every = self._thresholds.heartbeat
        while True:
            before = self._clock.now()
            self._rearm(before)
            await asyncio.sleep(every)
            self._beat = self._clock.now()
            self.lag = max(0.0, self._beat - before - every)
            self._worst = max(self._worst, self.lag)
            self._on_lag(self.lag)
            if self.lag >= self._thresholds.lag:
                self._freed()

    def _freed(self) -> None:
        seen, self._seen = self._seen, None
        if seen is None:  # the thread could not look: it is told now at least
            seen = Block(self.lag, "")
            self._safely(self._on_block, seen)
        before, self._fired = self._fired, self._interrupter.fired
        self._tell("free", Block(self.lag, "", seen.tool, self._fired > before))

    def _rearm(self, now: float) -> None:
        patience = self._thresholds.dump
        if self._armed_at < 0 or now - self._armed_at >= patience / _REARM:
            self._armed_at = now
            self._faults.expect(patience + patience / _REARM)

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _overdue(self, deadline: float) -> bool:
        return self._clock.now() >= deadline or self._stood() >= self._thresholds.interrupt

    def _stuck(self) -> bool:
        """Whether a signal from a supervisor is to be believed: its clock need not agree with ours on the last tick."""
        return self._stood() >= self._thresholds.interrupt / 2

    def _stood(self) -> float:
        return self._clock.now() - self._beat

    def _watch(self) -> None:
        rung = 0
        while not self._stop.wait(self._thresholds.heartbeat):
            beat = self._beat
            stood = self._clock.now() - beat - self._thresholds.heartbeat
            if stood < self._thresholds.lag or beat != self._beat:  # it went on while this thread waited for its turn
                rung = 0
                continue
            rung = self._climb(rung, stood)
            self._interrupter.fire()

    def _climb(self, rung: int, stood: float) -> int:
        """Take the steps that are due; each is taken once a block."""
        if rung == 0:
            rung, self._seen = 1, Block(stood, stack_of(self._loop_thread), self._tool())
            self._safely(self._on_block, self._seen)
        if rung == 1 and stood >= self._thresholds.dump:
            rung, self._armed_at = 2, -1.0
            self._faults.spare()  # the timer of C would show the same again
            self._tell("stuck", Block(stood, all_stacks(self._loop_thread), self._tool()))
        if rung == 2 and stood >= self._thresholds.restart:
            rung = 3
            self._tell("past", Block(stood, stack_of(self._loop_thread), self._tool()))
        return rung

    def _tool(self) -> str | None:
        return None if self._loop is None else tool_of(self._loop, self._loop_thread)

    def _tell(self, step: Step, block: Block) -> None:
        if self._on_step is not None:
            self._safely(self._on_step, step, block)

    def _safely(self, tell: Callable[..., None], *what: object) -> None:
        try:
            tell(*what)
        except Exception:  # boundary: whatever becomes of a report, the thread that interrupts must go on
            logging.getLogger("holdfast.watchdog").exception("a block of the loop could not be reported")
