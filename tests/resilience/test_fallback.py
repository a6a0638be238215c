"""Which failures another answer may stand in for, and how the time that is left is shared out."""

from __future__ import annotations

import pytest

from holdfast.errors import Busy, DependencyUnavailable, InvalidArguments, ToolError
from holdfast.resilience.fallback import may_stand_in, share


@pytest.mark.parametrize(
    "failure, expected",
    [
        (ConnectionError(), True), (DependencyUnavailable("x", code="dependency.busy"), True), (Busy("x"), True),
        (Busy("x", code="deadline.orphans"), False), (InvalidArguments("x"), False),
        (ToolError("x", retryable=True), False),
    ],
)  # fmt: skip
def test_failures_of_operation_are_stood_in_for_and_words_to_the_caller_are_not(
    failure: Exception, expected: bool
) -> None:
    assert may_stand_in(failure) is expected


def test_what_one_leaves_over_is_shared_by_those_after_it() -> None:
    assert share(100.0, 109.0, 3) == 103.0
    assert share(101.0, 109.0, 2) == 105.0, "the first was done early"
    assert share(105.0, 109.0, 1) == 109.0
