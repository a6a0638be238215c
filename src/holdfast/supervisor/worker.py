"""A worker, seen from both sides: what the parent keeps of it, and what the forked process itself is handed."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from holdfast.supervisor.book import Book
from holdfast.supervisor.control import Control
from holdfast.supervisor.deaths import mark
from holdfast.supervisor.flight import Flight
from holdfast.supervisor.memory import BEAT, ENDED, STANDING, Memory
from holdfast.supervisor.outgoing import Channel

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
"""Both from linux/prctl.h."""
_MOST_MODULES: Final = 4_000
TAKEN_OVER: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that the parent hears; a worker begins with what they do by default."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is told when its turn comes."""

    number: int
    """How many workers have served before."""
    blamed: bool = False
    """Whether the one before died by its own doing."""
    why: str = ""
    """How it died; empty for the first one, and after a hand-over."""
    suspects: tuple[str, ...] = ()
    """The tools that were under way then, where the parent is who knows them."""


class Attended:
    """What any forked worker holds: the memory, and the way to the parent."""

    def __init__(self, memory: Memory, control: Control) -> None:
        self.memory = memory
        self.control = control
        self.listening: int | None = None
        """The socket that a worker before has bound."""
        self.task = Task(0)
        self.modules: tuple[str, ...] = ()
        """What the worker before had loaded when it was ready."""

    def wait(self) -> bool:
        """Load what will be needed, say so, and wait for the turn; ``False`` when it will not come."""
        for name in self.modules:
            if name not in sys.modules:
                with suppress(Exception):  # whatever an author's module does: it is loaded again where it is needed
                    importlib.import_module(name)
        gc.collect()
        gc.freeze()
        self.control.say("waiting")
        while (heard := self.control.receive()) is not None:
            message, fds = heard
            if message["is"] == "go":
                self._take(fds)
                suspects = tuple(message["suspects"])
                self.task = Task(message["number"], message["blamed"], message["why"], suspects)
                return True
        return False

    def _take(self, fds: Iterable[int]) -> None:
        for fd in fds:
            if self.listening is not None:
                os.close(self.listening)  # the same socket, as it was when this process was forked
            self.listening = fd

    def ready(self, ladder: Iterable[float], *fds: int) -> None:
        """Say that calls are served from now on; ``ladder`` are the seconds after which a blocked loop is interrupted,
        aborted and killed."""
        self.beat()
        loaded = [name for name in sys.modules if not name.startswith("_")]
        self.control.say("ready", *fds, ladder=list(ladder), modules=loaded[:_MOST_MODULES])

    def alone(self) -> None:
        """Say that this worker serves by itself: the parent only waits for its end."""
        self.control.say("alone")

    def retire(self, why: str) -> str | None:
        """Ask for another worker in place of this one, which hands over to it; ``None``: that cannot be refused."""
        self.control.say("retire", why=why)
        return None

    def beat(self) -> None:
        """The loop turns."""
        self.memory.words[BEAT] = time.monotonic_ns()

    def standing(self, tool: str | None) -> None:
        """The loop stands in a call of this tool; ``None``: it turns again, or stands in nobody's call. Any thread."""
        self.memory.words[STANDING] = 0 if tool is None else mark(tool)

    def ended(self, status: int) -> None:
        """This end is meant: nobody is to take over."""
        self.memory.words[ENDED] = status + 1

    def has_ended(self) -> bool:
        """Whether that was said."""
        return bool(self.memory.words[ENDED])


class Worker(Attended):
    """What a worker over pipes holds besides: the client's ends, and the pipe before them."""

    def __init__(self, memory: Memory, control: Control, channel: Channel, ends: tuple[int, int]) -> None:
        super().__init__(memory, control)
        self.channel = channel
        self.input, self.output = ends


class HttpWorker(Attended):
    """What a worker over HTTP holds besides: its sessions' book, the count of its calls, and a key."""

    def __init__(self, memory: Memory, control: Control, book: Book, flight: Flight, seal: str) -> None:
        super().__init__(memory, control)
        self.book = book
        self.flight = flight
        self.seal = seal
        """Seals what clients carry between calls, where the operator gave no keys: every worker opens it."""


class InWorker(Exception):
    """Raised in a forked worker, to leave the parent's code; carries what it was handed."""

    def __init__(self, worker: Attended) -> None:
        super().__init__()
        self.worker = worker


@dataclass(slots=True)
class Child:
    """What the parent knows of a worker."""

    pid: int
    control: Control
    began: float
    state: Literal["loading", "waiting", "starting", "serving", "alone"] = "loading"
    ready_at: float | None = None
    ladder: list[float] = field(default_factory=list)
    climbed: int = 0
    """Rungs of the ladder that were taken since its loop last turned."""
    leaving: bool = False
    """Whether it was told to hand over."""
    ended_for: str | None = None
    """Why the parent itself has ended it."""

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal; it has not been reaped, so the pid is its own."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def fork(close: Iterable[Any], now: float) -> tuple[Child | None, Control | None]:
    """Fork a worker: ``(child, None)`` in the parent, ``(None, control)`` in the worker, which has closed ``close``.

    The worker dies with its parent (prctl(2), PR_SET_PDEATHSIG), whatever ends that.
    """
    ours, theirs = Control.pair()
    parent = os.getpid()
    gc.freeze()  # what both have stays in the pages that they share
    pid = os.fork()
    if pid:
        theirs.close()
        return Child(pid, ours, now), None
    die_with(parent)
    os.setpgid(0, 0)  # Ctrl-C in a terminal reaches the parent alone, which passes it on once
    signal.set_wakeup_fd(-1)
    for number in TAKEN_OVER:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for item in (ours, *close):
        item.close()
    return None, theirs


def die_with(parent: int) -> None:
    """End this process when ``parent`` ends."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before this was asked for
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that it can be ended."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
