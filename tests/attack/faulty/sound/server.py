"""The whole server as one class: what a faulty one overrides a method of."""

from __future__ import annotations

import asyncio
import signal

from sound.database import Database
from sound.doors import Doors
from sound.files import Files
from sound.git import Git
from sound.http import Http
from sound.protocol import Protocol
from sound.schema import Checking
from sound.sessions import Sessions
from sound.stdio import Stdio
from sound.strict import Reading
from sound.text import Writing
from sound.web import Web


class Sound(Sessions, Doors, Protocol, Reading, Checking, Writing, Files, Web, Database, Git):
    """Sound in every way that the catalogue of cases knows."""

    over_pipes = Stdio
    over_http = Http
    LINE = 1_048_576  # bytes of a message
    LAST_ANSWERS = 1.0  # seconds for calls under way when the input ends
    SIGNALS = (signal.SIGTERM, signal.SIGINT)
    HELD_UP = 1.0  # seconds before a client that has left without taking its answers is given up

    def __init__(self) -> None:
        super().__init__()
        self.stopping = asyncio.Event()

    def too_long(self, size: int, *, ended: bool) -> bool:
        """Whether a line of so many bytes, which has come to its end or not yet, is refused and no longer kept."""
        return size > self.LINE

    async def taken_in(self, writer: asyncio.StreamWriter) -> None:
        """Return when a client has taken most of what was written: who does not read is not read from either."""
        await writer.drain()

    async def start(self) -> None:
        """Before anything is served."""

    async def finish(self) -> None:
        """After everything was: what is still under way is ended with what it has started."""
        tasks = [call.task for call in self.admitted]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
