"""A bound logger with structlog's methods that writes to the log pipe; structlog is loaded for the rarer ones."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from functools import partialmethod
from typing import Any

from holdfast.core.clock import Clock
from holdfast.observe.pipe import LogPipe
from holdfast.observe.record import Failure, Renderer, Snapshot

RECORD_WEIGHT = 256
"""Characters a record is taken to hold besides its fields' values."""


class Outlet:
    """Where the loggers of one server write: takes the snapshot and hands it to the pipe. ``level`` is a number."""

    def __init__(self, pipe: LogPipe, renderer: Renderer, level: int, clock: Clock) -> None:
        self.pipe = pipe
        self.renderer = renderer
        self.level = level
        self.wall = clock.wall

    def write(self, level: str, fields: dict[str, Any]) -> None:
        """Take a record whose ``fields`` (event and exc_info among them) nobody else holds."""
        for name, value in context_fields().items():
            fields.setdefault(name, value)
        error = _error_of(fields.pop("exc_info", None))
        snapshot = Snapshot()
        record = {str(key): snapshot.take(value) for key, value in fields.items()}
        if error is not None:
            record["exception"] = failure = Failure.of(error)
            snapshot.weight += failure.weight
        record["level"] = level
        record["time"] = self.wall()
        self.pipe.put(record, self.renderer, snapshot.weight + RECORD_WEIGHT)


class Logger:
    """Immutable: ``bind`` returns another one. A call below the level costs one comparison.

    Everything that a structlog bound logger has and this class does not define (``ainfo``, ``log``, ...) is structlog's
    own, over the same outlet; its import (80 ms) is paid by whoever uses it.
    """

    __slots__ = ("_context", "_outlet")

    def __init__(self, outlet: Outlet, context: Mapping[str, Any] | None = None) -> None:
        self._outlet = outlet
        self._context = dict(context or {})

    def bind(self, **fields: Any) -> Logger:
        """Return a logger that adds ``fields`` to each of its records."""
        return Logger(self._outlet, self._context | fields)

    def new(self, **fields: Any) -> Logger:
        """Return a logger that adds ``fields`` and nothing else."""
        return Logger(self._outlet, fields)

    def unbind(self, *names: str) -> Logger:
        """Return a logger without these fields. Raises ``KeyError`` for one that is not bound."""
        logger = self.bind()
        for name in names:
            del logger._context[name]
        return logger

    def try_unbind(self, *names: str) -> Logger:
        """Return a logger without these fields, if they are bound."""
        return Logger(self._outlet, {name: value for name, value in self._context.items() if name not in names})

    def set_level(self, level: str) -> bool:
        """Write what is at ``level`` or above from now on, with all loggers over the same outlet; whether that changes
        if calls are told of, which guards look at once."""
        before = self._outlet.level
        self._outlet.level = now = int(getattr(logging, level.upper()))
        return (before > logging.INFO) != (now > logging.INFO)

    def _say(self, number: int, level: str, event: Any = None, /, *args: Any, **fields: Any) -> None:
        if number < self._outlet.level:
            return
        record = self._context | fields
        if event is not None:
            record["event"] = _filled_in(event, args)
        self._outlet.write(level, record)

    debug = partialmethod(_say, logging.DEBUG, "debug")
    info = msg = partialmethod(_say, logging.INFO, "info")
    warning = warn = partialmethod(_say, logging.WARNING, "warning")
    error = partialmethod(_say, logging.ERROR, "error")
    critical = fatal = partialmethod(_say, logging.CRITICAL, "critical")

    def exception(self, event: Any = None, *args: Any, **fields: Any) -> None:
        """Write at the level "error", with the exception that is being handled."""
        self._say(logging.ERROR, "error", event, *args, **{"exc_info": True, **fields})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Logger) and other._outlet is self._outlet and other._context == self._context

    __hash__ = None  # type: ignore[assignment]  # as structlog's

    def __repr__(self) -> str:
        return f"<Logger of {', '.join(self._context) or 'nothing'}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(_structlog_over(self._outlet, self._context), name)


class _Inlet:
    """What structlog calls a logger: each of its methods writes to the outlet."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def _put(self, level: str, /, **fields: Any) -> None:
        self._outlet.write(level, fields)

    debug = partialmethod(_put, "debug")
    info = partialmethod(_put, "info")
    warning = partialmethod(_put, "warning")
    error = partialmethod(_put, "error")
    critical = partialmethod(_put, "critical")


def _structlog_over(outlet: Outlet, context: dict[str, Any]) -> Any:
    import structlog

    logger = structlog.wrap_logger(
        _Inlet(outlet),
        processors=[],
        wrapper_class=structlog.make_filtering_bound_logger(outlet.level),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return logger.bind(**context)


def context_fields() -> dict[str, Any]:
    """Return what code has bound with structlog's context variables; nothing where structlog was never loaded."""
    module = sys.modules.get("structlog.contextvars")
    if module is None:
        return {}
    read = getattr(module, "get_contextvars", dict)  # absent while another thread is still importing it
    found: dict[str, Any] = read()
    return found


def _filled_in(event: Any, args: tuple[Any, ...]) -> Any:
    if not args:
        return event
    return event % (args[0] if len(args) == 1 and args[0] and isinstance(args[0], Mapping) else args)


def _error_of(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == 3:
        exc_info = exc_info[1]
        return exc_info if isinstance(exc_info, BaseException) else None
    return sys.exc_info()[1] if exc_info else None
