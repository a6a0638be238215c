"""Spans for OpenTelemetry, when its SDK is installed and set up; otherwise nothing, at the cost of one look."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Value = str | bool | int | float
_NOTHING: Final[AbstractContextManager[None]] = nullcontext()  # stateless, so one serves everybody


def span(name: str, attributes: Mapping[str, Value] | None = None) -> AbstractContextManager[Span | None]:
    """Open a span around a ``with`` block; yields the span, or None when tracing is not set up.

    An exception marks the span as failed with the exception's type only: messages and tracebacks may hold secrets,
    and exporters are not behind the redaction.
    """
    if "opentelemetry.sdk.trace" not in sys.modules:  # nobody has set up a provider
        return _NOTHING
    return _recorded(name, attributes)


@contextmanager
def _recorded(name: str, attributes: Mapping[str, Value] | None) -> Iterator[Span | None]:
    from opentelemetry import trace

    tracer = trace.get_tracer("holdfast")
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current if current.is_recording() else None
        except BaseException as error:  # the span says how it ended, cancellation included
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise
