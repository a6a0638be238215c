"""Begins the process anew in place: same number, same arguments, same environment; for HTTP without a supervisor."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping

APART = 60.0
"""Seconds between two such beginnings: a server that stands again at once needs a person, not a loop of restarts."""
LAST = "_HOLDFAST_BEGAN_ANEW"
"""Where the next process finds when that was (seconds since the epoch); no setting, hence the other prefix."""
Execute = Callable[[str, list[str], Mapping[str, str]], object]


def reexecute(
    _reason: str = "",
    *,
    environ: MutableMapping[str, str] = os.environ,
    execute: Execute = os.execve,
    wall: Callable[[], float] = time.time,
) -> str:
    """Replace this process by itself, from any thread; returns only when it cannot, saying why.

    Descriptors are closed by the system (PEP 446), so a bound port is bound again. Measured: 44 to 57 ms to readiness,
    but not before C code gives the interpreter back.
    """
    if (why := why_not(environ, wall)) is not None:
        return why
    try:
        execute(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environ, LAST: str(wall())})
    except OSError as error:
        return f"the system refused: {error.strerror}"
    return "the system did not do it"


def why_not(environ: MutableMapping[str, str] = os.environ, wall: Callable[[], float] = time.time) -> str | None:
    """Why the process should not be begun anew now, or ``None``."""
    if not sys.orig_argv or not sys.executable:
        return "it is not known how this process was started"
    if wall() - _number(environ.get(LAST)) < APART:
        return "it was begun anew less than a minute ago"
    return None


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


class Anew:
    """Ends the serving as a signal does, with its drain, to begin anew after it. ``stop`` is called on the loop."""

    def __init__(self, stop: Callable[[], None], refused: Callable[[], str | None] = why_not) -> None:
        self._stop = stop
        self._refused = refused
        self._over = False
        self.wanted = False

    def end(self) -> None:
        """Stop for good: whoever sends a signal wants an end, even while this process is about to begin anew."""
        self._over, self.wanted = True, False
        self._stop()

    def retire(self, _reason: str) -> str | None:
        """See ``Hooks.retire``."""
        why = "it is asked to end" if self._over else self._refused()
        if why is None:
            self.wanted = True
            self._stop()
        return why
