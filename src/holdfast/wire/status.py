"""What ``holdfast status`` is told: by a socket in the state folder, of every server, whatever it is reached by."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from holdfast.errors import HoldfastError
from holdfast.observe.process import resident_bytes
from holdfast.state.running import Folder, Process, peer

FORMAT: Final = 1
"""Of the record and of the answer: raised when a field changes its meaning; further fields may come at any time."""
ASKING: Final = 8
"""Who may ask at once; more are turned away."""
PATIENCE: Final = 2.0
"""Seconds that one of them gets to take the answer."""
MOST_FILES: Final = 4
"""Words of the command line that are kept, if they are Python files: one of them is the server's."""


@asynccontextmanager
async def told(live: Any, transport: str) -> AsyncIterator[None]:
    """Tell ``holdfast status`` of ``live`` while entered. Where that cannot be done the log says so; calls go on."""
    door = None
    if hasattr(socket, "AF_UNIX") and live.plant.loaded.settings.health.socket:
        try:
            door = Door(live, transport)
        except (OSError, HoldfastError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            live.plant.log.warning("status.unavailable", reason=why)
    try:
        yield
    finally:
        if door is not None:
            await door.close()


class Door:
    """The record and the socket of one serving. Raises ``OSError``, ``ConfigurationError`` where there can be none."""

    def __init__(self, live: Any, transport: str) -> None:
        self._live, self._transport = live, transport
        self._worker = live.plant.worker
        self._loop = asyncio.get_running_loop()
        self._answering: set[asyncio.Task[None]] = set()  # bounded by ASKING
        first = Process.of(os.getppid() if self._worker is not None else os.getpid())
        self._key = first.key
        with contextlib.ExitStack() as undo:
            self._folder = undo.enter_context(Folder.made(live.plant.lasting.state_dir()))
            self._folder.sweep()
            self._listening = undo.enter_context(self._folder.listen(self._key))
            self._folder.write(self._key, self._record(first))
            undo.pop_all()
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def _record(self, first: Process) -> dict[str, Any]:
        return {
            "format": FORMAT, "process": list(first), "name": self._live.name, "version": self._live.version,
            "transport": self._transport, "supervisor": first.pid if self._worker is not None else None,
            "worker": os.getpid(), "files": _files(),
        }  # fmt: skip

    def _accept(self) -> None:
        try:
            connected, _ = self._listening.accept()
        except OSError:  # it left again, or there is no descriptor left
            return
        try:
            connected.setblocking(False)
            peer(connected)
            if len(self._answering) >= ASKING:
                raise PermissionError("too many")
        except OSError:
            connected.close()
            return
        task = self._loop.create_task(self._answer(connected), name="holdfast-status")
        self._answering.add(task)
        task.add_done_callback(partial(self._answered, connected))

    def _answered(self, connected: socket.socket, task: asyncio.Task[None]) -> None:
        """Also of one that was cancelled before its first step."""
        self._answering.discard(task)
        connected.close()

    async def _answer(self, connected: socket.socket) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                told = await answer(self._live, self._transport)
                await self._loop.sock_sendall(connected, json.dumps(told).encode() + b"\n")

    async def close(self) -> None:
        """Take it down; what a supervised worker leaves to the next one stays."""
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()
        for task in self._answering:
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering)
        if self._worker is None or self._worker.has_ended():
            self._folder.forget(self._key)
        self._folder.close()


async def answer(live: Any, transport: str) -> dict[str, Any]:
    """Everything that is known of a server, as plain data; the fields are described in docs/operating.md."""
    report = (await live.plant.health.report()).as_dict()
    named = {"format": FORMAT, "name": live.name, "version": live.version, "transport": transport}
    return {**named, **process_of(live), **report}


def process_of(live: Any) -> dict[str, Any]:
    """Which process serves, since when, and what it has to bear."""
    plant, worker = live.plant, live.plant.worker
    now = plant.clock.now()
    serving = now - live.since
    age = None if worker is None else _age(os.getppid())
    quarantined = {tool: round(until - now, 1) for tool, until in live.quarantined.items() if until > now}
    totals = plant.metrics.snapshot()
    return {
        "supervisor": None if worker is None else os.getppid(),
        "worker": os.getpid(),
        "uptime": round(serving if age is None else max(age, serving), 1),
        "serving": round(serving, 1),
        "restarts": 0 if worker is None else worker.task.number,
        "last_end": "" if worker is None else worker.task.why,
        "quarantined": quarantined,
        "alerts": {} if plant.lookout is None else dict(plant.lookout.alerts.active),
        "calls": {name: int(totals[name]) for name in ("in_flight", "queued", "orphans", "zombies")},
        "shed": plant.parts.shed.level,
        "lag": round(totals["loop_lag_seconds"], 4),
        "memory": {"resident": _resident(), "budget": plant.budget.bytes},
    }


def _age(pid: int) -> float | None:
    try:
        return Process.of(pid).age()
    except OSError:  # it is gone, and this process is about to follow
        return None


def _resident() -> int | None:
    try:
        return resident_bytes()
    except (OSError, ImportError):  # neither /proc nor psutil
        return None


def _files() -> list[str]:
    """The Python files that the command line names, whole: by them an operator names a server."""
    found = []
    for word in sys.orig_argv[1:]:
        for text in (word, word.rpartition(":")[0]):
            with contextlib.suppress(OSError, ValueError):
                if text.endswith(".py") and Path(text).is_file():
                    found.append(str(Path(text).resolve()))
    return found[:MOST_FILES]
