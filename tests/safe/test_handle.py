"""What all guarded argument types share: what makes one, when two are the same, and what closes with the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from holdfast.errors import Refusal
from holdfast.safe.handle import Handle, current_scope, own
from holdfast.safe.sandbox import Sandbox


class Word(Handle):
    __slots__ = ()
    max_text: ClassVar[int] = 8
    describe: ClassVar[str] = "a word"

    @classmethod
    def from_text(cls, text: str, sandbox: Sandbox | None) -> Word:
        if text == "bad":
            raise Refusal("that word is refused", code="word.bad")
        return cls(text.lower(), sandbox)


class Other(Word):
    __slots__ = ()
    json_format: ClassVar[str | None] = "word"


def kind_of(type_: type[Handle], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(type_).validate_python(value)
    (error,) = caught.value.errors()
    return error["type"]


@pytest.mark.parametrize("text", ["x" * 9, "bad" * 3, "x" * 100_000])
def test_a_text_longer_than_the_type_takes_is_refused_before_it_is_looked_at(text: str) -> None:
    assert kind_of(Word, text) == "handle_length"
    assert TypeAdapter(Word).validate_python("X" * 8).text == "x" * 8


def test_what_is_refused_is_refused_with_its_code() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Word).validate_python("bad")
    (error,) = caught.value.errors()
    assert (error["type"], error["ctx"]["code"]) == ("handle_refused", "word.bad")


@pytest.mark.parametrize(
    "value", [None, 1, b"word", ["word"], {"text": "word"}, Other("word", None), Handle("w", None)]
)
def test_only_text_or_a_handle_of_this_very_type_makes_one(value: object) -> None:
    """A handle of another type passed other rules, so it does not stand in for this one."""
    assert kind_of(Word, value) == "handle_type"
    made = Word("made by the author, longer than any caller's", None)
    assert TypeAdapter(Word).validate_python(made) is made


def test_two_handles_are_equal_when_type_and_text_are() -> None:
    word = Word("word", None)
    assert word == Word("word", Sandbox())
    assert hash(word) == hash(Word("word", None))
    for other in (Word("else", None), Other("word", None), Handle("word", None), "word", None, word.text.encode()):
        assert word != other
        assert other != word

    class Looks:
        text = "word"

    assert word != Looks()


def test_the_schema_names_a_format_only_where_there_is_one() -> None:
    assert TypeAdapter(Word).json_schema() == {"type": "string", "description": "a word", "maxLength": 8}
    assert TypeAdapter(Other).json_schema()["format"] == "word"


class Call:
    def __init__(self) -> None:
        self.owned: list[Callable[[], None]] = []

    def own(self, close: Callable[[], None]) -> Callable[[], None]:
        self.owned.append(close)
        return lambda: self.owned.remove(close)


def test_what_a_call_opened_is_registered_with_it_and_without_one_closes_itself() -> None:
    closed: list[int] = []

    def close() -> None:
        closed.append(1)

    assert own(close) is close
    call = Call()
    token = current_scope.set(call)
    try:
        early = own(close)
        assert call.owned == [close]
        early()
        assert (call.owned, closed) == ([], [])
    finally:
        current_scope.reset(token)
