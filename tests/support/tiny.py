"""A real supervisor over workers that do nothing but what a signal tells them; runs as a program of its own.

Reads nothing and serves nobody: the ends that it holds are pipes of its own. Each worker that serves says so in a line
on standard output: its pid, how many there were before, whether the last was to blame, and why it ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any

from holdfast.supervisor import deaths, ladder, parent, timers
from holdfast.supervisor.heirlooms import OfPipes
from holdfast.supervisor.memory import MIB, PAGE, Memory
from holdfast.supervisor.supervising import supervise
from holdfast.supervisor.worker import Worker

LEAVE, STAND, RETIRE = signal.SIGRTMIN + 1, signal.SIGRTMIN + 2, signal.SIGRTMIN + 3
"""End with status 3; let the heart stop; ask for another."""
LADDER = [0.8, 0.9, 1.0]
"""Seconds; a busy machine keeps an innocent process waiting for half of that."""
STILLBORN = 60
"""The word that says how many of the next workers end before they are ready."""


class Tiny:
    """A worker's whole life."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._standing = False

    def stand(self, *_: Any) -> None:
        self._standing = True

    def run(self) -> None:
        worker = self._worker
        signal.signal(LEAVE, lambda *_: os._exit(3))
        signal.signal(STAND, self.stand)
        signal.signal(RETIRE, lambda *_: worker.retire("asked"))
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        if not worker.wait():
            os._exit(0)
        if worker.memory.words[STILLBORN]:
            worker.memory.words[STILLBORN] -= 1
            os._exit(4)
        worker.ready(LADDER)
        task = worker.task
        line = json.dumps([os.getpid(), task.number, task.blamed, task.why]).encode() + b"\n"
        os.write(1, line)
        while True:
            if not self._standing:
                worker.beat()
            if select.select([worker.control], [], [], 0.02)[0]:
                heard = worker.control.receive()
                os._exit(0 if heard is None or heard[0]["is"] == "leave" else 9)


def main() -> None:
    """Supervise, quicker than for real; the standard input says how many first workers are never ready."""
    for module in (parent, ladder):
        module.TICK = 0.02  # type: ignore[attr-defined]
    timers.SPARE_AFTER, timers.SPARE_PAUSE = 0.01, 0.05  # type: ignore[misc]
    deaths.Intensity.__init__.__defaults__ = (10**6, deaths.WINDOW)  # tried by tests of its own
    memory = Memory.create(slots=1, message=PAGE, answer=MIB)
    memory.words[STILLBORN] = int(sys.argv[1])
    Tiny(supervise(OfPipes(memory, os.pipe()))).run()


if __name__ == "__main__":
    main()
