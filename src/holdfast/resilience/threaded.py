"""Lets a worker thread do its part of what the event loop guards: turn by turn, in the thread that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any


class _Turn:
    """One attempt: begun and done by the thread, waited for on the loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.begun = self.void = False
        self.value: Any = None
        self.error: BaseException | None = None

    def perform(self, function: Callable[[], Any]) -> None:
        """On the thread. Never raises."""
        if self.void:
            return
        self.begun = True
        try:
            self.value = function()
        except BaseException as error:  # boundary: whatever it is belongs to the loop's side, which raises it
            self.error = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Line:
    """Turns between one thread, which is in ``work``, and one coroutine on the loop, which awaits ``turn()``."""

    def __init__(self) -> None:
        self._turns: SimpleQueue[_Turn | None] = SimpleQueue()  # one at a time, and the end

    def work(self, function: Callable[[], Any]) -> None:
        """On the thread: do each turn, until the end."""
        while (turn := self._turns.get()) is not None:
            turn.perform(function)

    def end(self, _: object = None) -> None:
        """There are no more turns; from any thread."""
        self._turns.put(None)

    async def turn(self) -> Any:
        """On the loop: have the thread do it once. Cancelled, this ends when the thread has really ended its turn."""
        turn = _Turn()
        self._turns.put(turn)
        try:
            await asyncio.wait((turn.done,))
        except asyncio.CancelledError:
            turn.void = True
            if turn.begun:
                await asyncio.wait((turn.done,))
            raise
        if turn.error is not None:
            raise turn.error
        return turn.value
