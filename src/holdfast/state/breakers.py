"""Which breakers are open, so that a new process leaves alone what the one before had learned to leave alone."""

from __future__ import annotations

import asyncio
import json
import logging
from contextvars import Context
from math import isfinite
from typing import Final, Protocol

from holdfast.core.clock import Clock
from holdfast.errors import HoldfastError
from holdfast.state.durable import Durable

SPACE: Final = "breaker"
REMEMBERED: Final = 300.0
"""Seconds past its pause that an open breaker is remembered: five of its longest pauses."""
MAX_PAUSE: Final = 3_600.0
"""Seconds that a remembered pause may last; one that is longer comes from a clock that was wrong."""
MAX_NAMES: Final = 1_000
"""Breakers that are remembered."""


class Pausing(Protocol):
    """What is remembered of a breaker. Implemented by ``resilience.breaker.Breaker``."""

    def pause(self) -> tuple[float, int] | None:
        """Seconds left of its pause, and how often probing has failed in a row; ``None`` unless it is open."""
        ...

    def resume(self, seconds: float, rounds: int) -> None:
        """Be open for so long."""
        ...


class Breakers:
    """The breakers of one serving, by the names of their operations. Whatever cannot be written is only forgotten."""

    def __init__(self, durable: Durable, clock: Clock) -> None:
        self._durable = durable
        self._clock = clock
        self._known: dict[str, Pausing] = {}
        self._left: dict[str, tuple[float, int]] = {}  # as read at the start; bounded by MAX_NAMES
        self._changed: set[str] = set()  # bounded by the names
        self._task: asyncio.Task[None] | None = None

    def watch(self, name: str, breaker: Pausing) -> None:
        """Remember this breaker under that name from now on, and open it if it was open in the process before."""
        if name in self._known or len(self._known) < MAX_NAMES:
            self._known[name] = breaker
            self._restore(name)

    def changed(self, name: str) -> None:
        """Write down what a breaker has become. Returns at once, never raises."""
        if name in self._known:
            self._changed.add(name)
            if self._task is None or self._task.done():
                # not in the context of the call that opened it: what a call starts is cancelled when it ends
                loop = asyncio.get_running_loop()
                self._task = loop.create_task(self._write(), name="holdfast-breakers", context=Context())

    async def recall(self) -> None:
        """Read what an earlier process has left, and open what it left open."""
        store = await self._durable.open()
        for name, raw in await store.items(SPACE, MAX_NAMES):
            until, rounds = json.loads(raw)
            self._left[name] = float(until), int(rounds)
            self._restore(name)

    def _restore(self, name: str) -> None:
        breaker = self._known.get(name)
        if breaker is None or name not in self._left:
            return
        until, rounds = self._left.pop(name)
        pause = until - self._clock.wall()
        if breaker.pause() is None and isfinite(pause) and -REMEMBERED < pause <= MAX_PAUSE:
            breaker.resume(max(0.0, pause), rounds)

    async def _write(self) -> None:
        try:
            store = await self._durable.open()
            while self._changed:
                name = self._changed.pop()
                paused = self._known[name].pause()
                if paused is None:
                    await store.delete(SPACE, name)
                else:
                    until = self._clock.wall() + paused[0]
                    await store.put(SPACE, name, json.dumps([until, paused[1]]).encode(), paused[0] + REMEMBERED)
        except HoldfastError as error:  # the breaker itself works on
            self._changed.clear()
            logging.getLogger("holdfast.state").warning("a breaker is not remembered: %s", type(error).__name__)

    async def close(self, seconds: float) -> None:
        """Let the last change be written."""
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=seconds)
            for task in late:
                task.cancel()
