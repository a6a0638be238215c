"""Puts on the audit record what is no call: refused logins, changes of what is offered. Nobody waits in vain for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from holdfast.errors import AuditUnavailable


class Log(Protocol):
    """As much of ``observe.audit.AuditLog`` as is used here."""

    @property
    def working(self) -> bool:
        """Whether the latest write succeeded."""
        ...

    async def append(self, record: Mapping[str, object]) -> None:
        """Write a record. Raises ``AuditUnavailable``."""
        ...


class Recorder:
    """Writes records whose failure changes nothing: what they tell of has happened, or was refused, all the same.

    ``counted`` hears what became of each: ``written``, ``lost`` or ``refused``. Without a ``log`` nothing is recorded.
    """

    def __init__(self, log: Log | None, counted: Callable[[str], None]) -> None:
        self._log = log
        self._counted = counted
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing: set[asyncio.Task[None]] = set()  # bounded by the changes of what is offered

    def start(self) -> None:
        """From now on this loop writes what is recorded ``soon``; before, that is nothing."""
        self._loop = asyncio.get_running_loop()

    async def write(self, record: Mapping[str, object]) -> None:
        """Return when ``record`` is written, or cannot be. The caller has redacted it."""
        if self._log is None:
            return
        try:
            await self._log.append(record)
            self._counted("written" if self._log.working else "lost")
        except AuditUnavailable:
            self._counted("refused")

    def soon(self, record: Mapping[str, object]) -> None:
        """As ``write``, from any thread and without waiting."""
        loop = self._loop
        if self._log is None or loop is None or loop.is_closed():
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:  # a thread without a loop
            here = False
        if here:
            task = loop.create_task(self.write(record), name="holdfast-recording")
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        else:
            loop.call_soon_threadsafe(self.soon, record)

    async def close(self, patience: float) -> None:
        """Give what is still being written ``patience`` seconds."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=patience)
