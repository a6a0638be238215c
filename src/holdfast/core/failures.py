"""The one place where an exception becomes what the caller sees."""

from __future__ import annotations

from math import isfinite
from typing import Any

from holdfast.core.content import text_block
from holdfast.core.pipeline import META, Answer
from holdfast.errors import InputTooLarge, InvalidArguments, ProtocolError, Refusal, ToolError

INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
_FAULT = "the tool failed; the operator finds the cause in the server's log under this incident"


def facts(error: BaseException, incident: str | None) -> tuple[str, dict[str, Any]]:
    """The message and the ``_meta`` of a failure: only refusals and ``ToolError`` speak for themselves."""
    if isinstance(error, Refusal | ToolError):
        meta: dict[str, Any] = {f"{META}code": error.code, f"{META}retryable": error.retryable}
        if error.retry_after is not None and isfinite(error.retry_after):
            meta[f"{META}retryAfter"] = round(error.retry_after, 3)
        return error.message, meta
    return f"{_FAULT}: {incident}", {
        f"{META}code": "tool.failed",
        f"{META}retryable": False,
        f"{META}incident": incident,
    }


def as_result(error: BaseException, incident: str | None) -> Answer:
    """A tool's refusal or failure: an ``isError`` result, so that a model can read it and do better."""
    message, meta = facts(error, incident)
    shown = f"{message} [{meta[f'{META}code']}]"
    return Answer({"content": [text_block(shown)]}, meta, is_error=True)


def as_protocol_error(error: BaseException, incident: str | None) -> ProtocolError:
    """A resource's or prompt's refusal or failure: their results cannot say that they are errors."""
    if isinstance(error, ProtocolError):
        return error
    message, meta = facts(error, incident)
    wrong = isinstance(error, InvalidArguments | InputTooLarge)
    return ProtocolError(INVALID_PARAMS if wrong else INTERNAL_ERROR, message, meta)
