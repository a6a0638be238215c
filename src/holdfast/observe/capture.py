"""Routes the process's standard logging and warnings into the log pipe, until undone."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

from holdfast.errors import ConfigurationError
from holdfast.observe.pipe import LogPipe
from holdfast.observe.record import Failure, Renderer, Snapshot


class PipeHandler(logging.Handler):
    """Puts standard log records into the pipe; the message is built in the caller because its arguments may change."""

    def __init__(self, pipe: LogPipe, renderer: Renderer, level: int) -> None:
        super().__init__(level)
        self._pipe = pipe
        self._renderer = renderer

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises and never blocks; records of the pipe's own thread are ignored, they would feed themselves."""
        if self._pipe.is_writer():
            return
        snapshot = Snapshot()
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit their format are common in foreign code
            message = record.msg
        out: dict[str, Any] = {
            "time": record.created,
            "level": record.levelname.lower(),
            "event": snapshot.take(message),
            "logger": snapshot.take(record.name),
        }
        if record.exc_info and record.exc_info[1] is not None:
            out["exception"] = failure = Failure.of(record.exc_info[1])
            snapshot.weight += failure.weight
        self._pipe.put(out, self._renderer, snapshot.weight + 256)


def capture_stdlib(pipe: LogPipe, level: str = "info") -> Callable[[], None]:
    """Send all of ``logging`` and ``warnings`` into ``pipe``; return what undoes it (idempotent).

    Handlers of any logger that write to the standard streams are taken off meanwhile: on stdio their output would
    break the protocol or leave unredacted. File and network handlers stay. Call ``build_logger`` first, it decides
    how records are redacted; raises ``ConfigurationError`` otherwise.
    """
    if pipe.renderer is None:
        raise ConfigurationError("build the logger before standard logging is captured: redaction is not set yet")
    handler = PipeHandler(pipe, pipe.renderer, logging.getLevelName(level.upper()))
    root = logging.getLogger()
    removed = [(logger, each) for logger in _loggers(root) for each in logger.handlers if _is_stream(each)]
    silenced = [logger for logger, _ in removed if logger is not root and not logger.propagate]
    level_before = root.level
    for logger, each in removed:
        logger.removeHandler(each)
    for logger in silenced:
        logger.propagate = True
    root.addHandler(handler)
    root.setLevel(handler.level)
    restore_warnings = _capture_warnings()
    done: list[bool] = []

    def undo() -> None:
        if done:
            return
        done.append(True)
        restore_warnings()
        root.removeHandler(handler)
        root.setLevel(level_before)
        for logger in silenced:
            logger.propagate = False
        for logger, each in removed:
            logger.addHandler(each)

    return undo


def _loggers(root: logging.Logger) -> list[logging.Logger]:
    named = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    return [root, *named]


def _is_stream(handler: logging.Handler) -> bool:
    if not isinstance(handler, logging.StreamHandler):
        return False
    return handler.stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def _capture_warnings() -> Callable[[], None]:
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any) -> None:
        if rest and rest[0] is not None:  # the caller names a file to write to
            before(message, category, filename, lineno, *rest)
            return
        logging.getLogger("py.warnings").warning("%s: %s (%s:%d)", category.__name__, message, filename, lineno)

    def restore() -> None:
        if warnings.showwarning is show:
            warnings.showwarning = before

    warnings.showwarning = show  # type: ignore[assignment]  # takes the last two by position, as warnings does
    return restore
