"""Completions: at most a hundred texts, from a function of the value and what is known so far."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.completion import MAX_VALUES, Completion
from holdfast.errors import ConfigurationError, InvalidArguments, OutputInvalid


def suggest(value: str) -> list[str]:
    return [value + "1"]


def with_context(value: str, context: dict[str, str]) -> list[str]:
    return []


def wrong(text: str) -> list[str]:
    return []


def too_much(value: str, context: dict[str, str], more: int) -> list[str]:
    return []


def test_a_completion_is_named_after_its_owner_and_argument() -> None:
    assert Completion("greet", "name", suggest).name == "greet name"
    assert Completion("note://{user}", "user", with_context).name == "note://{user} user"


@pytest.mark.parametrize("function", [wrong, too_much])
def test_a_function_with_other_parameters_is_an_error_of_the_author(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="the completion of p a takes value"):
        Completion("p", "a", function)


@pytest.mark.parametrize("value", [["a", 1], ("a", 1)])
def test_lists_and_the_like_are_suggestions(value: Any) -> None:
    body = Completion("p", "a", suggest).present(value).body
    assert body["completion"] == {"values": ["a", "1"], "total": 2, "hasMore": False}


def test_only_the_first_hundred_are_sent_and_the_rest_is_counted() -> None:
    body = Completion("p", "a", suggest).present([str(n) for n in range(250)]).body["completion"]
    assert len(body["values"]) == MAX_VALUES
    assert (body["total"], body["hasMore"]) == (250, True)


class Counting:
    """Would never end."""

    def __iter__(self) -> Any:
        while True:
            yield "x"


@pytest.mark.parametrize("value", [None, 5, "text", {"a": 1}, b"x", Counting(), iter(["a"])])
def test_anything_else_is_refused_before_it_is_looked_into(value: Any) -> None:
    with pytest.raises(OutputInvalid, match="list of texts"):
        Completion("p", "a", suggest).present(value)


def test_what_the_caller_sends_is_checked() -> None:
    with pytest.raises(InvalidArguments, match=r"^value takes a string$"):
        Completion("p", "a", suggest).arguments.check({"value": 5}, None)
