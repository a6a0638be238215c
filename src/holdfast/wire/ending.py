"""The end of a serving: drained in time, cut short with a word to its callers, and forced when it takes too long."""

from __future__ import annotations

import asyncio
import os
import queue
import select
import threading
import time
from math import inf
from typing import Any, Protocol

LAST_LINE = 0.25
"""Seconds that the last log line gets when the end is forced."""
SLACK = 0.15
"""Seconds past the time in which all should be over, before the end is forced."""
OVERRUN = 1
"""Exit status of a server whose end was forced because it took too long."""


class Ended(Protocol):
    """A live server, as far as its end is concerned."""

    plant: Any

    def drain(self) -> None:
        """Take no new calls; not ready from now on."""
        ...

    def cut(self) -> int:
        """Cancel the calls under way, each with an answer to its caller; returns their number."""
        ...


class Backstop:
    """A thread that ends the process when its end takes too long, or when somebody insists.

    A signal's handler may call everything here: it only puts a word into a queue that is made for that (SimpleQueue).
    The thread works while the event loop hangs; while C code holds the GIL only another process can help.
    """

    def __init__(self) -> None:
        self.plant: Any = None
        """Whose log gets the last line; standard error without one."""
        self._words: queue.SimpleQueue[float | tuple[int, str, dict[str, Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._watch, name="holdfast-ending", daemon=True)
        self._thread.start()

    def arm(self, seconds: float) -> None:
        """Force the end after ``seconds``; the earliest of several counts."""
        self._words.put(time.monotonic() + seconds)

    def force(self, status: int, event: str, **fields: Any) -> None:
        """Write one last line to the log and leave with ``status``, now."""
        self._words.put((status, event, fields))

    def close(self) -> None:
        """The end has been reached."""
        self._words.put(None)
        self._thread.join(LAST_LINE)

    def _watch(self) -> None:
        over = inf
        while True:
            try:
                word = self._words.get(timeout=None if over == inf else max(0.0, over - time.monotonic()))
            except queue.Empty:
                word = (OVERRUN, "server.forced", {"reason": "the end took too long"})
            if isinstance(word, float):
                over = min(over, word)
            else:
                break
        if word is not None:
            self._leave(*word)

    def _leave(self, status: int, event: str, fields: dict[str, Any]) -> None:
        try:
            if self.plant is None or self.plant.pipe.closed:
                _say(f"holdfast: {event}: {', '.join(map(str, fields.values()))}; status {status}\n")
            else:
                self.plant.log.critical(event, status=status, **fields)
                self.plant.pipe.end(LAST_LINE)
        finally:
            os._exit(status)


def _say(line: str) -> None:
    """Write to standard error, unless nobody takes it."""
    if select.select((), (2,), (), LAST_LINE)[1]:
        os.write(2, line.encode())


class Ending:
    """Counts one serving down: calls under way get ``drain`` seconds, and everything else ``after`` seconds more.

    Of one event loop. The countdown begins once, with the first reason to end; ``hurry`` shortens it.
    """

    def __init__(self, live: Ended, drain: float, after: float, backstop: Backstop | None = None) -> None:
        self._live = live
        self._drain = drain
        self._after = after
        self._loop = asyncio.get_running_loop()
        self._cut_at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._backstop = backstop
        if backstop is not None:
            backstop.plant = live.plant

    @property
    def begun(self) -> bool:
        """Whether the countdown runs."""
        return self._cut_at < inf

    def begin(self) -> None:
        """The server is to end: it is not ready any more, and calls under way have their time from now."""
        if not self.begun:
            self._live.plant.health.set_ready(False, "draining")
            self._schedule(self._loop.time() + self._drain)

    def hurry(self, seconds: float) -> None:
        """Calls get ``seconds`` at most from now on, and the process ends soon after, whatever hangs."""
        self.begin()
        self._schedule(min(self._cut_at, self._loop.time() + seconds))
        self._arm()

    def spoken(self) -> None:
        """Nothing more is to be answered: the rest has what was left for the calls too."""
        self.begin()
        if self._timer is not None:
            self._timer.cancel()
        self._live.plant.hurry(self._arm())

    def _arm(self) -> float:
        over = self._left() + self._after
        if self._backstop is not None:
            self._backstop.arm(over + SLACK)
        return over

    def _left(self) -> float:
        return max(0.0, self._cut_at - self._loop.time())

    def _schedule(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._cut_at = at
        self._timer = self._loop.call_at(at, self._cut)

    def _cut(self) -> None:
        if count := self._live.cut():
            self._live.plant.log.warning("server.cut", calls=count, seconds=self._drain)
