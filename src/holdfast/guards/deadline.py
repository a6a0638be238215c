"""One absolute deadline for all that follows, kept even when the tool swallows cancellation or blocks a thread."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from holdfast.core.clock import Clock
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.guards.parts import Parts
from holdfast.resilience.deadline import Orphans, by


class Deadline:
    """Answers on time; work that will not end is cancelled, abandoned and counted."""

    def __init__(self, timeout: float, clock: Clock, orphans: Orphans) -> None:
        self._timeout = timeout
        self._clock = clock
        self._orphans = orphans

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:
        """Fix the deadline once; attempts, queues and fallbacks all share it."""
        self._orphans.check()
        call.deadline = call.context.deadline = self._clock.now() + self._timeout
        return by(call.deadline, self._clock, proceed(call), on_orphan=self._orphans.add)


def recipe(operation: Operation, parts: Parts) -> Deadline:
    """Every operation has a deadline."""
    return Deadline(parts.bounds(operation).timeout, parts.clock, parts.orphans)
