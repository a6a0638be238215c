"""An asynchronous context whose end is bounded in time: what is late is abandoned and told, not waited for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

from holdfast.core.clock import Clock
from holdfast.errors import DeadlineExceeded
from holdfast.resilience.deadline import Orphans, by


class Punctual:
    """Enters ``manager`` as it is, and leaves it within ``patience()`` seconds, in the task that entered it.

    What is late is cancelled and, when it swallows that, owned by ``orphans``; ``late(seconds)`` hears of it. What it
    raises is raised.
    """

    def __init__(
        self,
        manager: AbstractAsyncContextManager[Any],
        patience: Callable[[], float],
        late: Callable[[float], None],
        clock: Clock,
        orphans: Orphans,
    ) -> None:
        self._manager = manager
        self._patience = patience
        self._late = late
        self._clock = clock
        self._orphans = orphans

    async def __aenter__(self) -> Any:
        return await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        async def leave() -> bool | None:
            return await self._manager.__aexit__(kind, error, trace)

        seconds = self._patience()
        try:
            return await by(self._clock.now() + seconds, self._clock, leave(), on_orphan=self._orphans.add)
        except DeadlineExceeded as passed:
            self._late(seconds)
            del passed
            return None
