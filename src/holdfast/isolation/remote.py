"""What a tool in a worker process holds in place of its context and of the standard streams."""

from __future__ import annotations

import io
import os
import time
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from holdfast.errors import ConfigurationError
from holdfast.isolation.parcel import Brief

T = TypeVar("T")
_LINE = 8_192
"""Characters after which an unfinished line is written nevertheless."""
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})


class Say(Protocol):
    """Sends a message to the server: its kind and plain values."""

    def __call__(self, kind: str, values: dict[str, Any], /) -> None: ...


class RemoteContext:
    """``ctx`` in a process of its own: who calls, how long still, progress, logs; all else stays in the server.

    What is a coroutine in ``Context`` is one here, so that ``ctx.wait(ctx.report_progress(1, 3))`` reads alike in a
    thread and in a process. ``cancelled`` becomes true when the server wants the call to end: shortly before the
    process is killed, while the tool's ``finally`` runs.
    """

    may_ask = False

    def __init__(self, brief: Brief, say: Say) -> None:
        identity: tuple[str, Any, str] = brief.identity or ("", None, "")
        self.request_id, self.principal, self.era = identity
        self.tool = brief.name
        self.deadline = brief.ends
        self.cancelled = False
        self.log = RemoteLog(say, {})
        self._say = say

    @property
    def remaining(self) -> float:
        """Seconds until this call's deadline."""
        return max(0.0, self.deadline - time.monotonic())

    async def report_progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """See ``Context.report_progress``."""
        self._say("progress", {"done": done, "total": total, "message": message})

    async def notify_log(self, level: str, data: Any, logger: str | None = None) -> None:
        """See ``Context.notify_log``."""
        self._say("notify", {"level": level, "data": data, "logger": logger})

    def secret(self, value: str, name: str = "secret") -> str:
        """See ``Context.secret``; registered in the server before the answer is read there."""
        self._say("secret", {"value": value, "name": name})
        return value

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one of the coroutines above; none of them ever waits."""
        try:
            work.send(None)
        except StopIteration as over:
            outcome: T = over.value
            return outcome
        work.close()
        raise ConfigurationError("ctx.wait in a process of its own takes ctx.report_progress and ctx.notify_log only")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ConfigurationError(f"ctx.{name} needs the server's process; let the tool run in a thread to use it")


class RemoteLog:
    """The methods of the server's logger that a tool uses; each record is one message."""

    def __init__(self, say: Say, bound: dict[str, Any]) -> None:
        self._say = say
        self._bound = bound

    def bind(self, **fields: Any) -> RemoteLog:
        """A logger whose records all hold ``fields``."""
        return RemoteLog(self._say, {**self._bound, **fields})

    def exception(self, event: Any = None, *args: Any, **fields: Any) -> None:
        """``error``, with the traceback of what is being handled."""
        self._tell("error", event, *args, traceback=traceback.format_exc()[-_LINE:], **fields)

    def _tell(self, level: str, event: Any = None, *args: Any, **fields: Any) -> None:
        said = str(event)
        with suppress(TypeError, ValueError):
            said = said % args if args else said
        self._say("log", {"level": level, "event": said, "fields": {**self._bound, **fields}})

    def __getattr__(self, name: str) -> Callable[..., None]:
        level = {"warn": "warning", "fatal": "critical", "msg": "info"}.get(name, name)
        if level not in _LEVELS:
            raise AttributeError(name)
        return lambda event=None, *args, **fields: self._tell(level, event, *args, **fields)


class NamedLines(io.TextIOBase):
    """Standard output and error in a worker: whole lines, each after the name of the tool whose call printed it."""

    encoding = "utf-8"

    def __init__(self, descriptor: int) -> None:
        self.name = ""
        self._descriptor = descriptor
        self._rest = ""

    def fileno(self) -> int:
        """The descriptor beneath."""
        return self._descriptor

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Return the number of characters taken."""
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > _LINE:
            lines, self._rest = [*lines, self._rest], ""
        self._put(lines)
        return len(text)

    def flush(self) -> None:
        """Write the unfinished line as a whole one."""
        rest, self._rest = self._rest, ""
        self._put([rest] if rest else [])

    def _put(self, lines: list[str]) -> None:
        prefix = f"{self.name}: " if self.name else ""
        data = memoryview("".join(f"{prefix}{line}\n" for line in lines).encode(errors="backslashreplace"))
        with suppress(OSError):  # nobody reads: what is printed is lost, and the call goes on
            while data:
                data = data[os.write(self._descriptor, data) :]
