"""Hands on what a tool says from its own process: progress and messages to the client, records to the log."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.core.context import Context

_BACKLOG = 100
"""Words to the client that wait for a slow one; the oldest are dropped past that."""
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})


class Hearing:
    """For one call: takes messages at once, and sends what the client is to hear in order, beside the call."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backlog: deque[tuple[str, dict[str, Any]]] = deque(maxlen=_BACKLOG)
        self._task: asyncio.Task[None] | None = None

    def __call__(self, kind: str, values: dict[str, Any]) -> None:
        """Take one message; never raises, whatever a worker sends."""
        with suppress(Exception):  # boundary: what a tool says about itself may be malformed in any way
            if kind == "log" and values["level"] in _LEVELS:
                getattr(self._context.log, values["level"])(values["event"], **values["fields"])
            elif kind == "secret":
                self._context.secret(values["value"], values["name"])
            elif kind in ("progress", "notify"):
                self._backlog.append((kind, values))
                if self._task is None:
                    apart = contextvars.Context()  # holdfast's own task, none that the call started
                    self._task = asyncio.get_running_loop().create_task(self._empty(), context=apart)

    async def finish(self) -> None:
        """Wait until all has been sent, so that nothing comes after the answer."""
        if self._task is not None:
            await self._task

    def drop(self) -> None:
        """Send nothing more. Idempotent."""
        if self._task is not None:
            self._task.cancel()

    async def _empty(self) -> None:
        try:
            while self._backlog:
                with suppress(Exception):  # boundary: a client that is gone must not fail the call
                    await self._word(*self._backlog.popleft())
        finally:
            self._task = None

    def _word(self, kind: str, values: dict[str, Any]) -> Coroutine[Any, Any, None]:
        if kind == "progress":
            return self._context.report_progress(values["done"], values["total"], values["message"])
        return self._context.notify_log(values["level"], values["data"], values["logger"])
