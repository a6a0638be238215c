"""HF201 to HF206: limits that an author or the settings have weakened."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.core.config import LimitSettings, Settings
from holdfast.core.limits import parse_rate
from holdfast.lint.finding import Finding
from holdfast.lint.subject import Subject, Whole

_DEFAULT = Settings().limits
FASTEST = 100.0
"""Calls a second of one principal; a person, or a model, never gets there."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def find(whole: Whole) -> Iterator[Finding]:
    """Look at each tool's own limits, and at the settings that the server would run with."""
    for subject in whole.subjects:
        for code, message in _own(subject):
            yield Finding(code, f"{subject.label}: {message}", subject.place)
    settings = whole.loaded.settings
    for line in (*whole.loaded.weakened(), *_raised(settings.limits)):
        yield Finding("HF205", line, whole.home)
    unguarded = settings.auth.tokens is None or settings.auth.required is False
    if settings.http.host not in _LOOPBACK and unguarded:
        yield Finding("HF206", "http.host is not of this machine, and no caller needs a token", whole.home)


def _raised(limits: LimitSettings) -> Iterator[str]:
    """Limits of all tools that are so high that they hold nobody; the start-up log does not name these."""
    for name in ("concurrency", "queue", "total", "principals", "threads", "in_flight"):
        if getattr(limits, name) > 4 * getattr(_DEFAULT, name):
            yield f"limits.{name}: more than four times the default of {getattr(_DEFAULT, name)}"
    count, seconds = parse_rate(limits.rate)
    if count / seconds > FASTEST:
        yield f"limits.rate: more than {FASTEST:g} calls a second"


def _own(subject: Subject) -> Iterator[tuple[str, str]]:
    own = subject.operation.limits
    if own.timeout is not None and own.timeout > _DEFAULT.timeout:
        yield "HF201", f"its timeout is longer than {_DEFAULT.timeout:g} s"
    if own.input is not None and own.input > _DEFAULT.input:
        yield "HF202", f"its input may be larger than {_DEFAULT.input} bytes"
    if own.output is not None and own.output > _DEFAULT.output:
        yield "HF202", f"its output may be larger than {_DEFAULT.output} bytes"
    if isinstance(own.concurrency, int) and own.concurrency > _DEFAULT.total:
        yield "HF203", f"more than {_DEFAULT.total} of its calls may run at once"
    if own.queue is not None and own.queue > 16 * _DEFAULT.queue:
        yield "HF203", f"more than {16 * _DEFAULT.queue} of its calls may wait"
    if own.rate is not None:
        count, seconds = parse_rate(own.rate)
        if count / seconds > FASTEST:
            yield "HF204", f"its rate is more than {FASTEST:g} calls a second"
