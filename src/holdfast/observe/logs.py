"""Structured logging off the event loop: a bound logger over a pipe, without touching global configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from holdfast.core.clock import Clock, SystemClock
from holdfast.errors import ConfigurationError
from holdfast.observe.capture import capture_stdlib
from holdfast.observe.logger import Logger, Outlet
from holdfast.observe.pipe import LogPipe
from holdfast.observe.record import Renderer
from holdfast.observe.sinks import FileSink, Sink, StderrSink

__all__ = ["LEVELS", "FileSink", "LogPipe", "Sink", "StderrSink", "build_logger", "capture_stdlib"]

LEVELS = ("debug", "info", "warning", "error", "critical")


def build_logger(  # noqa: PLR0913 - keywords, all but one with a default
    pipe: LogPipe,
    *,
    level: str = "info",
    format: Literal["json", "console", "auto"] = "auto",
    redact: Callable[[str], str],
    pair: Callable[[str, str], str] | None = None,
    clock: Clock | None = None,
) -> Logger:
    """Return a bound logger with structlog's methods that writes to ``pipe``; below ``level`` a call costs 1 us.

    The call takes a bounded snapshot; rendering and ``redact`` run in the pipe's thread. ``auto`` means console
    lines when a person looks at the sink, JSON otherwise. ``pair`` is asked where a field's name may say that it
    holds a secret. Raises ``ConfigurationError`` for an unknown level.
    """
    if level not in LEVELS:
        raise ConfigurationError(f"unknown log level; use one of {', '.join(LEVELS)}")
    if format == "auto":
        format = "console" if pipe.sink.tty else "json"
    pipe.renderer = Renderer(redact, format, pair)
    return Logger(Outlet(pipe, pipe.renderer, getattr(logging, level.upper()), clock or SystemClock()))
