"""What the long forms of tests share: whether this is one, callers that never stop, and figures for who runs them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONG = bool(os.environ.get("SOAK"))
"""Set by ``make soak``: counts are the issue's, and times are judged too."""
RETRYABLE = "io.holdfast/retryable"


def note(**figures: object) -> None:
    """Figures of a long form, for the line that ``make soak`` prints."""
    if path := os.environ.get("SOAK_FIGURES"):
        with Path(path).open("a") as file:
            file.write(json.dumps(figures) + "\n")


class Metronome:
    """How long this machine kept a thread waiting that asked for a hundredth of a second, at worst."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            begun = time.monotonic()
            if self._stop.wait(0.01):
                return
            self.worst = max(self.worst, time.monotonic() - begun - 0.01)

    def stop(self) -> None:
        """Count no more."""
        self._stop.set()
        self._thread.join()


class Crew:
    """Callers, each in a thread of its own, one call after the other until they are told to stop."""

    def __init__(self) -> None:
        self.calls = 0
        self.worst = 0.0
        self.wrong: list[object] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def go(self, once: Callable[[int], object]) -> None:
        """Add a caller. ``once(number)`` makes its next call; what it gives back, if anything, was wrong."""

        def run() -> None:
            number = 0
            while not self._stop.is_set():
                number += 1
                begun = time.monotonic()
                try:
                    wrong = once(number)
                except Exception as error:  # a caller that gets no answer; the others go on
                    wrong = repr(error)
                self.worst = max(self.worst, time.monotonic() - begun)
                self.calls += 1
                if wrong is not None:
                    self.wrong.append(wrong)
                    if len(self.wrong) > 100:
                        return

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def stop(self) -> None:
        """Let everybody finish the call that is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def crew() -> Iterator[Crew]:
    """Callers that have stopped when it ends."""
    made = Crew()
    try:
        yield made
    finally:
        made.stop()


def may_be_repeated(answer: Mapping[str, Any]) -> bool:
    """Whether it is a refusal that tells its caller to come again."""
    return bool(answer.get("result", {}).get("_meta", {}).get(RETRYABLE))
