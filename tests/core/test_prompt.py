"""Prompts: listed with their arguments, lenient because clients send text, and always a list of messages."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import pytest
from pydantic import Field

from holdfast.core.content import Image, Message, text_block
from holdfast.core.prompt import Prompt
from holdfast.errors import ConfigurationError, InvalidArguments, OutputInvalid


def review(code: Annotated[str, Field(description="What to review")], lines: int = 10, strict: bool = False) -> str:
    """Review code."""
    return code


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text_block(text)}


def test_a_prompt_is_listed_with_its_arguments() -> None:
    assert Prompt(review).listing() == {
        "name": "review",
        "description": "Review code.",
        "arguments": [
            {"name": "code", "required": True, "description": "What to review"},
            {"name": "lines", "required": False},
            {"name": "strict", "required": False},
        ],
    }


def test_numbers_and_booleans_are_read_from_the_text_that_clients_send() -> None:
    prompt = Prompt(review)
    values = prompt.values(prompt.arguments.check({"code": "5", "lines": "3", "strict": "true"}, None))
    assert values == {"code": "5", "lines": 3, "strict": True}
    with pytest.raises(InvalidArguments, match=r"^lines takes an integer$"):
        prompt.arguments.check({"code": "x", "lines": "canary"}, None)


@pytest.mark.parametrize(
    "value, messages",
    [
        ("Hi", [said("Hi")]),
        (Message("Hi", role="assistant"), [{"role": "assistant", "content": text_block("Hi")}]),
        (["a", Message("b")], [said("a"), said("b")]),
        (("a", "b"), [said("a"), said("b")]),
        ([], []),
        (Image(b"x"), [{"role": "user", "content": Image(b"x").block()}]),
        (text_block("ready"), [said("ready")]),
    ],
)
def test_text_messages_and_lists_of_them_become_messages(value: Any, messages: list[Any]) -> None:
    assert Prompt(review).present(value).body == {"messages": messages, "description": "Review code."}


def test_a_prompt_without_a_docstring_answers_without_a_description() -> None:
    assert Prompt(lambda: "x").present("x").body == {"messages": [said("x")]}


@pytest.mark.parametrize("value", [None, 5, [5], b"bytes", {"role": "user", "content": "x"}, object()])
def test_what_is_no_message_is_refused_in_clean_words(value: Any) -> None:
    with pytest.raises(OutputInvalid):
        Prompt(review).present(value)


def test_a_prompt_from_something_without_a_name_needs_one() -> None:
    with pytest.raises(ConfigurationError, match="needs name="):
        Prompt(functools.partial(review, "x"))
    assert Prompt(functools.partial(review, "x"), name="preset").name == "preset"


def test_a_prompt_is_read_only_unless_it_says_otherwise() -> None:
    assert Prompt(review).read_only
    assert not Prompt(review, read_only=False).read_only
