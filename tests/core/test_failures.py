"""Failures: what the caller sees of an exception, and what it never sees."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.failures import INTERNAL_ERROR, INVALID_PARAMS, as_protocol_error, as_result, facts
from holdfast.errors import (
    AccessDenied,
    Busy,
    InputTooLarge,
    InvalidArguments,
    RateLimited,
    ToolError,
    UnknownName,
    UnsafePath,
)

SECRET = "/home/ada/token=canary"


@pytest.mark.parametrize(
    "error, text, meta",
    [
        (
            RateLimited("too often", retry_after=1.23456),
            "too often [rate.limited]",
            {"io.holdfast/code": "rate.limited", "io.holdfast/retryable": True, "io.holdfast/retryAfter": 1.235},
        ),
        (
            AccessDenied("no"),
            "no [access.denied]",
            {"io.holdfast/code": "access.denied", "io.holdfast/retryable": False},
        ),
        (
            UnsafePath("outside", code="path.outside"),
            "outside [path.outside]",
            {"io.holdfast/code": "path.outside", "io.holdfast/retryable": False},
        ),
        (
            ToolError("the printer is out of paper", retryable=True, retry_after=60),
            "the printer is out of paper [tool.error]",
            {"io.holdfast/code": "tool.error", "io.holdfast/retryable": True, "io.holdfast/retryAfter": 60},
        ),
    ],
)
def test_refusals_and_tool_errors_speak_for_themselves(error: Exception, text: str, meta: dict[str, Any]) -> None:
    answer = as_result(error, None)
    assert answer.is_error
    assert answer.body == {"content": [{"type": "text", "text": text}]}
    assert answer.meta == meta


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        OSError(2, SECRET, SECRET),
        RuntimeError(SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
    ],
)
def test_any_other_exception_shows_an_incident_and_nothing_of_itself(error: Exception) -> None:
    answer = as_result(error, "a1b2c3")
    shown = answer.body["content"][0]["text"]
    assert "canary" not in shown
    assert type(error).__name__ not in shown
    assert shown.endswith("a1b2c3 [tool.failed]")
    assert answer.meta == {
        "io.holdfast/code": "tool.failed",
        "io.holdfast/retryable": False,
        "io.holdfast/incident": "a1b2c3",
    }
    assert "canary" not in str(as_protocol_error(error, "a1b2c3").data)
    assert "canary" not in as_protocol_error(error, "a1b2c3").message


@pytest.mark.parametrize(
    "error, code",
    [
        (InvalidArguments("n takes an integer", code="path.outside"), INVALID_PARAMS),
        (InputTooLarge("too long"), INVALID_PARAMS),
        (Busy("full"), INTERNAL_ERROR),
        (ValueError("x"), INTERNAL_ERROR),
    ],
)
def test_where_results_cannot_be_errors_they_become_protocol_errors(error: Exception, code: int) -> None:
    wire = as_protocol_error(error, "a1")
    assert wire.rpc_code == code
    assert wire.data == facts(error, "a1")[1]


def test_a_protocol_error_stays_what_it_is() -> None:
    error = UnknownName("prompt")
    assert as_protocol_error(error, None) is error
