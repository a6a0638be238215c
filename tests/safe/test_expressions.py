"""A pattern from a caller is compiled once, by an engine of linear time, and its work is bounded."""

from __future__ import annotations

import pickle
import time

import pytest
import re2
from pydantic import TypeAdapter, ValidationError

from holdfast.errors import InputTooLarge, InvalidArguments
from holdfast.safe.expressions import MAX_PATTERN, MAX_TEXT, MAX_WORK, Pattern


@pytest.mark.parametrize(
    "pattern, text, found, whole",
    [("b+", "abbc", True, False), ("^a.c$", "abc", True, True), ("x", "abc", False, False), ("", "", True, True),
     ("é", "café", True, False), (r"(\d{4})-(\d\d)", "on 2026-11", True, False), ("(?i)ABC", "abc", True, True)],
)  # fmt: skip
def test_a_pattern_is_searched_for_or_fits_the_whole_text(pattern: str, text: str, found: bool, whole: bool) -> None:
    handle = Pattern.from_text(pattern)
    assert (handle.search(text), handle.fullmatch(text)) == (found, whole)


@pytest.mark.parametrize(
    "pattern", ["(", "[", "*", r"(a)\1", "(?=a)", "(?<!a)", "a{1001}", "(a{100}){100}", r"\p{L}{100}", "\ud800"]
)
def test_what_is_no_pattern_or_too_large_a_one_is_refused_without_being_repeated(pattern: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        Pattern.from_text(pattern)
    assert caught.value.code == "pattern.refused"
    assert "100}" not in caught.value.message


def test_an_argument_becomes_a_pattern_and_travels() -> None:
    adapter = TypeAdapter(Pattern)
    handle = adapter.validate_python("a+")
    assert pickle.loads(pickle.dumps(handle)) == handle  # noqa: S301  # our own bytes
    assert pickle.loads(pickle.dumps(handle)).search("caat")  # noqa: S301  # our own bytes
    assert adapter.json_schema()["format"] == "regex"
    for wrong in ("(", "x" * (MAX_PATTERN + 1), 5):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)
    with pytest.raises(InvalidArguments):
        Pattern.from_text("x" * (MAX_PATTERN + 1))


def test_the_more_work_a_pattern_makes_the_less_text_it_takes() -> None:
    simple, costly = Pattern.from_text("a"), Pattern.from_text("(((a?){10}){10}){9}b")
    assert simple.most == MAX_TEXT
    assert costly.most < MAX_WORK // 1_000
    begun = time.thread_time()
    assert not costly.search("a" * costly.most)
    assert time.thread_time() - begun < 5
    for much in ("a" * (costly.most + 1), "é" * (costly.most // 2 + 1)):
        for search in (costly.search, costly.fullmatch):
            with pytest.raises(InputTooLarge) as caught:
                search(much)
            assert caught.value.code == "pattern.text"


def test_a_lone_surrogate_in_a_text_is_no_error() -> None:
    assert Pattern.from_text(r"a\?b").search("a\ud800b")


def test_the_library_keeps_no_pattern_of_a_caller() -> None:
    for number in range(20):
        Pattern.from_text(f"a{number}")
    assert re2._Regexp._make.cache_info().currsize == 0


def test_the_place_of_a_match_is_counted_in_characters() -> None:
    pattern = Pattern.from_text("b+")
    assert pattern.find("\u00e9\u4f60b") == 2
    assert pattern.find("b") == 0
    assert pattern.find("a") is None
    with pytest.raises(InputTooLarge):
        pattern.find("a" * (pattern.most + 1))


@pytest.mark.parametrize(
    "most, over",
    [
        ("x" * MAX_PATTERN, "x" * (MAX_PATTERN + 1)),
        ("a{1000}" * 9 + "a{996}", "a{1000}" * 9 + "a{997}"),  # 10,000 instructions
    ],
)
def test_a_pattern_at_its_bound_is_taken_and_one_beyond_is_not(most: str, over: str) -> None:
    assert Pattern.from_text(most).text == most
    with pytest.raises(InvalidArguments) as caught:
        Pattern.from_text(over)
    assert caught.value.code == "pattern.refused"
