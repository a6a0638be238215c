"""Starts a server as a process group of its own, and ends it with everything that it has started."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast_attack.target.tree import Tree

MESSAGE = 500
"""Characters of what a server said before it ended that are shown."""


class CannotStart(Exception):
    """The server could not be started, or does not speak the protocol; the message is one line for its user."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server is started. ``env`` is all of its environment."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def start(self) -> Running:
        """Raises ``CannotStart``."""
        theirs, ours = zip(*(_pair(reading) for reading in (True, False, False)), strict=True)
        try:
            process = await asyncio.create_subprocess_exec(
                *self.argv,
                stdin=theirs[0],
                stdout=theirs[1],
                stderr=theirs[2],
                cwd=self.cwd,
                env=dict(self.env),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            for fd in ours:
                os.close(fd)
            raise CannotStart(f"{self.argv[0]} cannot be started: {_reason(error)}") from None
        finally:
            for fd in theirs:
                os.close(fd)
        return Running(process, ours)


class Running:
    """A process that was started, its pipes, and every task that serves it."""

    def __init__(self, process: asyncio.subprocess.Process, pipes: tuple[int, ...]) -> None:
        self._process = process
        self.pid = process.pid
        self.stdin, self.stdout, self.stderr = pipes
        self.tree = Tree(process.pid)
        self._tasks: set[asyncio.Future[Any]] = set()

    def owns(self, task: asyncio.Future[Any]) -> None:
        """A task that ends with it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def signal(self, number: int) -> None:
        """Send a signal to the process itself."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def exited(self, within: float) -> int | None:
        """Its exit status, a signal below zero; None when it is still there after so many seconds."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._process.wait()), within)
        except TimeoutError:
            return None

    async def end(self) -> None:
        """Kill it and all that is left of its tree; returns when it is reaped."""
        left = self.tree.pids()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for task in tuple(self._tasks):
            task.cancel()
        await self.exited(10.0)


def _pair(they_read: bool) -> tuple[int, int]:
    """A pipe: their end, and ours."""
    reading, writing = os.pipe()
    return (reading, writing) if they_read else (writing, reading)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such program"
    if isinstance(error, PermissionError):
        return "it may not be executed"
    return getattr(error, "strerror", None) or type(error).__name__
