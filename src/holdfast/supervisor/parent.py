"""The supervisor: starts a worker, keeps a spare beside it, and lets the spare go on where the worker was lost."""

from __future__ import annotations

import selectors
import signal
import time
from contextlib import suppress
from typing import Any, Final, Generic

from holdfast.supervisor.alarm import Alarm
from holdfast.supervisor.guardian import Guardian
from holdfast.supervisor.heirlooms import Heirlooms, W
from holdfast.supervisor.journal import tell
from holdfast.supervisor.ladder import TICK, Ladder
from holdfast.supervisor.losses import Losses
from holdfast.supervisor.memory import ENDED, STOPPING
from holdfast.supervisor.sweeping import Remains, reap, sweep
from holdfast.supervisor.timers import Timers
from holdfast.supervisor.worker import Child, InWorker, Task, adopt_orphans, fork

LAST: Final = 5.0
"""Seconds beyond its own patience that a worker which was told to stop gets."""
ECHO: Final = 0.1
"""Seconds in which a second signal counts as the first: Ctrl-C reaches a whole group of processes, and some parents
(uv, npm) pass it on besides. As ``wire.serve`` has it."""
INSISTING: Final = 1.0
"""Seconds after a second signal that a worker gets for its last log line, before it is killed."""
GONE: Final = 70
"""Exit status of a supervisor that gives up (EX_SOFTWARE, sysexits.h)."""


class Parent(Generic[W]):
    """Runs in a process with one thread, and in nothing but the standard library."""

    def __init__(self, heirlooms: Heirlooms[W]) -> None:
        self._heirlooms = heirlooms
        self._words = heirlooms.memory.words
        self._ladder = Ladder(heirlooms.memory, time.monotonic())
        self._losses = Losses()
        self._selector = selectors.DefaultSelector()
        self._alarm = Alarm()
        self._guardian = Guardian()
        self._children: dict[int, Child] = {}
        self._remains = Remains()
        self._active: Child | None = None
        self._task = Task(0)
        self._timers = Timers()
        self._stopping: signal.Signals | None = None
        self._stopped_at = 0.0
        self._forced: signal.Signals | None = None
        self._reloading = self._renewing = False
        """Whether a new version is to take over, and whether it is doing so."""
        self._kept: Child | None = None
        """A spare of the version that serves, while a new one has yet to prove itself."""
        self._alone = False
        self._listening: int | None = None
        self._modules: tuple[str, ...] = ()

    def run(self) -> int:
        """Supervise to the end; the exit status. In a forked worker it raises ``InWorker`` instead."""
        self._guardian.start()
        adopt_orphans()
        self._alarm.listen()
        self._selector.register(self._alarm, selectors.EVENT_READ)
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
        close: list[Any] = [self._selector, self._alarm, *(child.control for child in self._children.values())]
        child, control = fork(close, time.monotonic())
        if control is not None:
            if self._guardian.mark is not None:
                self._guardian.mark.put()
            worker = self._heirlooms.worker(control)
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
            self._losses.none()
            self._timers.serving(child.ready_at)
            tell("ready", pid=child.pid, restarts=self._task.number)
            self._proven(child)
        elif message["is"] == "alone":
            child.state, child.ready_at, self._alone = "alone", time.monotonic(), True
            self._timers = Timers()
        elif message["is"] == "retire" and child is self._active and not child.leaving:
            tell("retiring", "warning", pid=child.pid, why=message["why"])
            child.leaving = True
            self._hand_over()

    def _go(self, child: Child) -> None:
        """Its turn has come."""
        fds = () if self._listening is None else (self._listening,)
        child.state = "starting"
        task = self._task
        told = {"number": task.number, "blamed": task.blamed, "why": task.why, "suspects": task.suspects}
        child.control.say("go", *fds, **told)
        if task.number:
            self._timers.turn(time.monotonic())

    def _spare(self) -> Child | None:
        others = (child for child in self._children.values() if child is not self._active)
        return next((child for child in others if child is not self._kept), None)

    def _hand_over(self) -> None:
        """Tell the active worker to leave, as soon as there is one to follow it."""
        spare, active = self._spare(), self._active
        if spare is None:
            self._timers.spare = time.monotonic()
        elif spare.state == "waiting" and active is not None:
            self._renewing = self._renewing or self._reloading
            active.leaving, self._reloading = True, False
            active.control.say("leave")

    # -- ends ----------------------------------------------------------------------------------------------------------

    def _ended(self, pid: int, status: int) -> int | None:
        """A child has ended; the exit status of the whole when there is nothing more to do."""
        child = self._children.pop(pid, None)
        if child is None:
            if pid == self._guardian.pid:
                self._guardian.start()
            self._remains.reaped(pid, self._ours())
            return None
        with suppress(KeyError, ValueError):
            self._selector.unregister(child.control)
        child.control.close()
        if child is not self._active:
            self._spare_lost(child)
            return None
        self._active = None
        self._remains.end(self._ours())
        if self._alone:
            return status if status >= 0 else 128 - status
        if meant := self._words[ENDED]:
            return int(meant) - 1
        if self._stopping is not None:
            return max(0, status) if self._forced is None else 128 + self._forced
        if child.ready_at is None:
            return self._never_ready(child, status)
        self._lost(child, status)
        return None

    def _ours(self) -> set[int]:
        """Children that are to be there."""
        return {*self._children, self._guardian.pid}

    def _spare_lost(self, child: Child) -> None:
        if child is self._kept:
            self._kept = None
            return
        loaded = bool(child.ended_for) or child.state == "waiting"
        self._timers.spare_lost(time.monotonic(), loaded=loaded)
        if self._reloading and not loaded:
            self._refused(child, "the new version cannot be loaded; the one before goes on")

    def _never_ready(self, child: Child, status: int) -> int | None:
        if self._kept is not None:
            self._active = self._kept
            self._refused(child, "the new version ended before it was ready; the one before goes on")
            self._go(self._active)
            return None
        pause = self._losses.never_ready(child, status, self._task.number, time.monotonic())
        if pause is None:
            return status if status > 0 else GONE
        self._replace(pause)
        return None

    def _lost(self, child: Child, status: int) -> None:
        number, pause = self._task.number + 1, 0.0
        if child.leaving and status == 0:
            self._task = Task(number)
            tell("handed_over", pid=child.pid)
        else:
            suspects = self._heirlooms.suspects()
            self._task, pause = self._losses.lost(child, status, number, suspects, time.monotonic())
        self._replace(pause)

    def _replace(self, pause: float) -> None:
        """Let the spare take over, at once or after a pause."""
        self._timers.start = time.monotonic() + pause if pause else None
        if pause:
            return
        spare = self._spare()
        if self._kept is not None and (spare is None or spare.state == "loading"):
            spare, self._kept = self._kept, None
        self._active = spare if spare is not None else self._start()
        if self._active.state == "waiting":
            self._go(self._active)

    # -- what time and signals bring -----------------------------------------------------------------------------------

    def _timeout(self) -> float | None:
        left = self._timers.left(time.monotonic())
        ticking = self._active is not None and self._active.state == "serving"
        return left if not ticking else TICK if left is None else min(left, TICK)

    def _look(self, now: float) -> None:
        timers = self._timers
        if timers.start is not None and now >= timers.start:
            self._replace(0.0)
        if timers.spare_due(now) and self._spare() is None and self._stopping is None:
            self._start()
        active = self._active
        if active is None:
            return
        if timers.kill is not None and now >= timers.kill:
            active.ended_for, timers.kill = "it took too long", None
            active.kill()
        elif active.state == "serving" and (number := self._ladder.look(active, now)) is not None:
            tell("loop_blocked", "error", pid=active.pid, signal=number.name)
            if number is not signal.SIGUSR2:
                active.ended_for = "its loop stood still"
            active.kill(number)

    def _signals(self) -> None:
        for number in self._alarm.heard():
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop(signal.Signals(number))
            elif number == signal.SIGHUP:
                self._reload()

    def _stop(self, number: signal.Signals) -> None:
        """Pass the first signal on; the second too, which the worker takes for an order to end at once."""
        now = time.monotonic()
        self._words[STOPPING] = 1
        if self._stopping is None:
            self._stopping, self._stopped_at = number, now
            self._timers.spare = self._timers.start = None
            for child in self._children.values():
                child.kill(number if child is self._active else signal.SIGKILL)
        elif now - self._stopped_at > ECHO:
            self._forced = number
            self._timers.kill = min(self._timers.kill or now + INSISTING, now + INSISTING)
            if self._active is not None:
                self._active.kill(number)

    def _reload(self) -> None:
        """Load a new spare, with whatever the files say now, and let it take over; one that waits already is kept for
        the case that the new one cannot serve."""
        if self._alone:
            if self._active is not None:
                self._active.kill(signal.SIGHUP)  # it serves by itself, and reads settings again by itself
            return
        tell("reloading")
        self._reloading = True
        spare = self._spare()
        if spare is not None and (self._kept is not None or spare.state != "waiting"):
            spare.ended_for = "reloading"
            spare.kill()
        else:
            self._kept = self._kept or spare
            self._timers.spare = time.monotonic()

    def _refused(self, child: Child, why: str) -> None:
        """Nothing comes of a reload; whoever was kept for that case is the spare again, or serves."""
        tell("reload_refused", "error", pid=child.pid, why=why)
        self._reloading = self._renewing = False
        self._kept = None

    def _proven(self, child: Child) -> None:
        """A new version serves: the one before is not needed any more."""
        if self._renewing:
            tell("reloaded", pid=child.pid)
            self._renewing = False
            if self._kept is not None:
                self._kept.kill()

    def end_all(self) -> None:
        """Leave nothing behind: every descendant is a child of ours by the time its own parent is gone."""
        ends = time.monotonic() + LAST
        while sweep(()) and time.monotonic() < ends:
            reap()
            time.sleep(0.005)
        reap()
