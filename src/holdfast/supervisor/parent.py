"""The supervisor: starts a worker, keeps a spare beside it, and lets the spare go on where the worker was lost."""

from __future__ import annotations

import os
import selectors
import signal
import time
from contextlib import suppress
from typing import Any, Final

from holdfast.supervisor.deaths import Death, Intensity, judged
from holdfast.supervisor.journal import tell
from holdfast.supervisor.ladder import TICK, Ladder
from holdfast.supervisor.memory import ENDED, STOPPING, Memory
from holdfast.supervisor.outgoing import Channel
from holdfast.supervisor.sweeping import reap, sweep
from holdfast.supervisor.worker import TAKEN_OVER, Child, Task, Worker, adopt_orphans, fork

STARTING: Final = 60.0
"""Seconds that a worker which takes over gets to be ready."""
FAILURES: Final = 3
"""Workers in a row that end before they are ready: then the fault is not in a call, and there is no point in more."""
SPARE_AFTER: Final = 0.2
"""Seconds after a worker is ready before its spare is loaded, so that they do not hurry at once."""
SPARE_PAUSE: Final = 5.0
SPARE_PAUSES: Final = 300.0
"""Seconds before a spare that failed to load is tried again, doubled each time, and the most of them."""
LAST: Final = 5.0
"""Seconds beyond its own patience that a worker which was told to stop gets."""
GONE: Final = 70
"""Exit status of a supervisor that gives up (EX_SOFTWARE, sysexits.h)."""


class InWorker(Exception):
    """Raised in a forked worker, to leave the parent's code; carries what it was handed."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.worker = worker


class Parent:
    """Runs in a process with one thread, and in nothing but the standard library."""

    def __init__(self, memory: Memory, ends: tuple[int, int]) -> None:
        self._memory = memory
        self._ends = ends
        self._channel = Channel()
        self._ladder = Ladder(memory, time.monotonic())
        self._intensity = Intensity()
        self._selector = selectors.DefaultSelector()
        self._alarm_read, self._alarm_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._children: dict[int, Child] = {}
        self._active: Child | None = None
        self._task = Task(0)
        self._start_at: float | None = None
        self._spare_at: float | None = None
        self._kill_at: float | None = None
        self._failures = 0
        self._stopping: signal.Signals | None = None
        self._spare_pause = SPARE_PAUSE
        self._reloading = False
        self._alone = False
        self._listening: int | None = None
        self._modules: tuple[str, ...] = ()
        self._ooms = _oom_kills()

    def run(self) -> int:
        """Supervise to the end; the exit status. In a forked worker it raises ``InWorker`` instead."""
        adopt_orphans()
        for number in TAKEN_OVER:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._alarm_write, warn_on_full_buffer=False)
        self._selector.register(self._alarm_read, selectors.EVENT_READ)
        self._active = self._start()
        status: int | None = None
        while status is None:
            if self._stopping is not None and self._active is None:
                status = 0
                break
            for key, _ in self._selector.select(self._timeout()):
                if key.data is not None:
                    self._heard(key.data)
            self._signals()
            for pid, ended in reap():
                status = self._ended(pid, ended) if status is None else status
            if status is None:
                self._look(time.monotonic())
        self.end_all()
        return status

    # -- workers -------------------------------------------------------------------------------------------------------

    def _start(self) -> Child:
        """Fork a worker. It becomes the active one when it has loaded everything and there is none."""
        close: list[Any] = [self._selector, *(child.control for child in self._children.values())]
        child, control = fork(close, time.monotonic())
        if control is not None:
            for fd in (self._alarm_read, self._alarm_write):
                os.close(fd)
            worker = Worker(self._memory, control, self._channel, self._ends)
            worker.listening = self._listening
            worker.modules = self._modules
            raise InWorker(worker)
        assert child is not None  # noqa: S101 # nosec B101 - one of the two there always is
        self._children[child.pid] = child
        self._selector.register(child.control, selectors.EVENT_READ, child)
        return child

    def _heard(self, child: Child) -> None:
        heard = child.control.receive()
        if heard is None:
            self._selector.unregister(child.control)  # it is ending, and will be reaped
            return
        message, fds = heard
        if message["is"] == "waiting":
            child.state = "waiting"
            if child is self._active:
                self._go(child)
            elif self._reloading or (self._active is not None and self._active.leaving):
                self._hand_over()
        elif message["is"] == "ready":
            child.state, child.ready_at, child.ladder = "serving", time.monotonic(), message["ladder"]
            self._listening = fds[0] if fds else self._listening
            self._modules = tuple(message["modules"])
            self._failures, self._kill_at = 0, None
            self._spare_at = child.ready_at + SPARE_AFTER
            tell("ready", pid=child.pid, restarts=self._task.number)
        elif message["is"] == "alone":
            child.state, child.ready_at, self._alone = "alone", time.monotonic(), True
            self._spare_at = self._kill_at = None
        elif message["is"] == "retire" and child is self._active and not child.leaving:
            tell("retiring", "warning", pid=child.pid, why=message["why"])
            child.leaving = True
            self._hand_over()

    def _go(self, child: Child) -> None:
        """Its turn has come."""
        fds = () if self._listening is None else (self._listening,)
        child.state = "starting"
        task = self._task
        child.control.say("go", *fds, number=task.number, blamed=task.blamed, why=task.why)
        if task.number:
            self._kill_at = time.monotonic() + STARTING

    def _spare(self) -> Child | None:
        return next((child for child in self._children.values() if child is not self._active), None)

    def _hand_over(self) -> None:
        """Tell the active worker to leave, as soon as there is one to follow it."""
        spare, active = self._spare(), self._active
        if spare is None:
            self._spare_at = time.monotonic()
        elif spare.state == "waiting" and active is not None:
            active.leaving, self._reloading = True, False
            active.control.say("leave")

    # -- ends ----------------------------------------------------------------------------------------------------------

    def _ended(self, pid: int, status: int) -> int | None:
        """A child has ended; the exit status of the whole when there is nothing more to do."""
        child = self._children.pop(pid, None)
        if child is None:
            return None
        with suppress(KeyError, ValueError):
            self._selector.unregister(child.control)
        child.control.close()
        if child is not self._active:
            self._spare_lost(child)
            return None
        self._active = None
        sweep(self._children)
        if self._alone:
            return status if status >= 0 else 128 - status
        if meant := self._memory.words[ENDED]:
            return int(meant) - 1
        if self._stopping is not None:
            return max(0, status)
        if child.ready_at is None:
            return self._never_ready(child, status)
        self._lost(child, status)
        return None

    def _spare_lost(self, child: Child) -> None:
        """Try again at once when it had loaded everything or was ended for new code, and later when it cannot load."""
        if child.ended_for or child.state == "waiting":
            self._spare_pause, pause = SPARE_PAUSE, 0.0
        else:
            self._spare_pause, pause = min(SPARE_PAUSES, 2 * self._spare_pause), self._spare_pause
            self._reloading = False
        self._spare_at = time.monotonic() + pause

    def _never_ready(self, child: Child, status: int) -> int | None:
        self._failures += 1
        if self._task.number == 0 or self._failures >= FAILURES:
            if self._task.number:
                tell("gave_up", "error", why="workers end before they are ready", status=status)
            return status if status > 0 else GONE
        self._replace(2.0 ** (self._failures - 1))
        return None

    def _lost(self, child: Child, status: int) -> None:
        now = time.monotonic()
        if child.leaving and status == 0:
            self._task = Task(self._task.number + 1)
            tell("handed_over", pid=child.pid)
            self._replace(0.0)
            return
        ooms, self._ooms = self._ooms, _oom_kills()
        killed_for_memory = status == -signal.SIGKILL and self._ooms > ooms
        lived = now - (child.ready_at or now)
        death = judged(status, lived, ladder=child.ended_for, out_of_memory=killed_for_memory)
        pause = self._intensity.pause(now) if death.counts else 0.0
        self._tell_of(child, death, pause)
        self._task = Task(self._task.number + 1, death.blamed, death.reason)
        self._replace(pause)

    def _tell_of(self, child: Child, death: Death, pause: float) -> None:
        facts = {"pid": child.pid, "why": death.reason, "lived": round(death.lived, 3), "blamed": death.blamed}
        tell("worker_lost", "error", **facts, restart_in=pause)

    def _replace(self, pause: float) -> None:
        """Let the spare take over, at once or after a pause."""
        if pause:
            self._start_at = time.monotonic() + pause
            return
        self._start_at = None
        spare = self._spare()
        self._active = spare if spare is not None else self._start()
        if self._active.state == "waiting":
            self._go(self._active)

    # -- what time and signals bring -----------------------------------------------------------------------------------

    def _timeout(self) -> float | None:
        now = time.monotonic()
        times = [at - now for at in (self._start_at, self._spare_at, self._kill_at) if at is not None]
        if self._active is not None and self._active.state == "serving":
            times.append(TICK)
        return max(0.0, min(times)) if times else None

    def _look(self, now: float) -> None:
        if self._start_at is not None and now >= self._start_at:
            self._replace(0.0)
        if self._spare_at is not None and now >= self._spare_at:
            self._spare_at = None
            if self._spare() is None and self._stopping is None:
                self._start()
        active = self._active
        if active is None:
            return
        if self._kill_at is not None and now >= self._kill_at:
            active.ended_for, self._kill_at = "it took too long", None
            active.kill()
        elif active.state == "serving" and (number := self._ladder.look(active, now)) is not None:
            tell("loop_blocked", "error", pid=active.pid, signal=number.name)
            if number is not signal.SIGUSR2:
                active.ended_for = "its loop stood still"
            active.kill(number)

    def _signals(self) -> None:
        with suppress(BlockingIOError):
            for number in os.read(self._alarm_read, 64):
                if number in (signal.SIGTERM, signal.SIGINT):
                    self._stop(signal.Signals(number))
                elif number == signal.SIGHUP:
                    self._reload()

    def _stop(self, number: signal.Signals) -> None:
        """The first signal is passed on; the second ends everything at once."""
        again, self._stopping = self._stopping is not None, self._stopping or number
        self._spare_at = self._start_at = None
        self._memory.words[STOPPING] = 1
        for child in self._children.values():
            child.kill(number if child is self._active and not again else signal.SIGKILL)

    def _reload(self) -> None:
        """Load a new spare, with whatever the files say now, and let it take over."""
        if self._alone:
            return
        tell("reloading")
        self._reloading = True
        spare = self._spare()
        if spare is not None:
            spare.ended_for = "reloading"
            spare.kill()
        else:
            self._spare_at = time.monotonic()

    def end_all(self) -> None:
        """Leave nothing behind: every descendant is a child of ours by the time its own parent is gone."""
        ends = time.monotonic() + LAST
        while sweep(()) and time.monotonic() < ends:
            reap()
            time.sleep(0.005)
        reap()


def _oom_kills() -> int:
    """How often the kernel has killed for want of memory."""
    with suppress(OSError, ValueError, IndexError), open("/proc/vmstat", encoding="ascii") as file:
        return int(file.read().partition("oom_kill ")[2].split()[0])
    return 0


def supervise(memory: Memory, ends: tuple[int, int]) -> Worker:
    """Become a supervisor. Returns in each worker, with what it was handed; the process itself ends in here."""
    parent = Parent(memory, ends)
    try:
        status = parent.run()
    except InWorker as forked:
        return forked.worker
    except BaseException:  # a fault of ours must not leave workers without a parent
        parent.end_all()
        raise
    os._exit(status)
