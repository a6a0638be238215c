"""Structured logging off the event loop: a structlog logger over a pipe, without touching global configuration."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal

from holdfast.core.clock import Clock, SystemClock
from holdfast.errors import ConfigurationError
from holdfast.observe.capture import capture_stdlib
from holdfast.observe.pipe import LogPipe
from holdfast.observe.record import Failure, Renderer, Snapshot
from holdfast.observe.sinks import FileSink, Sink, StderrSink

__all__ = ["LEVELS", "FileSink", "LogPipe", "Sink", "StderrSink", "build_logger", "capture_stdlib"]

_Keywords = dict[str, Any]
LEVELS = ("debug", "info", "warning", "error", "critical")


def build_logger(
    pipe: LogPipe,
    *,
    level: str = "info",
    format: Literal["json", "console", "auto"] = "auto",
    redact: Callable[[str], str],
    clock: Clock | None = None,
) -> Any:
    """Return a bound structlog logger that writes to ``pipe``; a call below ``level`` costs one empty function.

    The call takes a bounded snapshot; rendering and ``redact`` run in the pipe's thread. ``auto`` means console
    lines when a person looks at the sink, JSON otherwise. Raises ``ConfigurationError`` for an unknown level.
    """
    import structlog

    if level not in LEVELS:
        raise ConfigurationError(f"unknown log level; use one of {', '.join(LEVELS)}")
    if format == "auto":
        format = "console" if pipe.sink.tty else "json"
    pipe.renderer = Renderer(redact, format)
    logger = structlog.wrap_logger(
        _Inlet(pipe, pipe.renderer),
        processors=[structlog.contextvars.merge_contextvars, _Stamp(clock or SystemClock())],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return logger.bind()


class _Stamp:
    """The last processor: adds level and time, settles the exception, and takes the snapshot."""

    def __init__(self, clock: Clock) -> None:
        self._wall = clock.wall

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> tuple[tuple[Any, int], _Keywords]:
        error = _error_of(event.pop("exc_info", None))
        snapshot = Snapshot()
        record = {str(key): snapshot.take(value) for key, value in event.items()}
        if error is not None:
            record["exception"] = failure = Failure.of(error)
            snapshot.weight += failure.weight
        record["level"] = "error" if method == "exception" else method
        record["time"] = self._wall()
        return (record, snapshot.weight + 256), {}


def _error_of(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == 3:
        exc_info = exc_info[1]
        return exc_info if isinstance(exc_info, BaseException) else None
    return sys.exc_info()[1] if exc_info else None


class _Inlet:
    """What structlog calls a logger: each of its methods puts the record into the pipe."""

    def __init__(self, pipe: LogPipe, renderer: Renderer) -> None:
        self._pipe = pipe
        self._renderer = renderer

    def msg(self, record: dict[str, Any], weight: int) -> None:
        """Hand over the record."""
        self._pipe.put(record, self._renderer, weight)

    debug = info = warning = warn = error = critical = exception = fatal = msg
