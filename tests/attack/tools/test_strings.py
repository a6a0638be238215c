"""Strings are written for lengths, formats and simple patterns."""

from __future__ import annotations

import re

import pytest

from holdfast_attack.tools.strings import by_pattern, candidates


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]{3}-\\d+$",
        "^(foo|bar)$",
        "^(?:a|b)c?d*$",
        "^[^/]+\\.txt$",
        "^[A-Za-z0-9_-]{1,64}$",
        "^#[0-9a-fA-F]{6}$",
        "^\\d{4}-\\d{2}-\\d{2}$",
        "^v\\w+?$",
        "^[\\w.]+@[\\w.]+$",
        "^.\\S\\s\\D\\W$",
        "a|b",
        "^\\$\\{x\\}\\n$",
        "",
    ],
)
def test_what_is_written_matches(pattern: str) -> None:
    written = by_pattern(pattern)
    assert written is not None
    assert re.search(pattern, written)


@pytest.mark.parametrize(
    "pattern", ["(?=a)b", "(a", "\\1", "\\p{L}", "[", "a{9999}", "\\", "x" * 501, "(a{150}){150}(a{150}){150}" * 5, "("]
)
def test_what_is_not_simple_is_not_tried(pattern: str) -> None:
    assert by_pattern(pattern) is None


def test_what_is_wanted_comes_first_and_is_made_to_fit() -> None:
    assert next(iter(candidates({}, "mine"))) == "mine"
    assert list(candidates({"minLength": 6}, "mine"))[:2] == ["mine", "mineee"]
    assert list(candidates({"maxLength": 2}, "mine"))[:2] == ["mine", "mi"]


def test_a_format_has_a_sample() -> None:
    assert next(candidates({"format": "date"})) == "2026-01-31"


def test_a_length_beyond_reason_is_not_written() -> None:
    assert max(map(len, candidates({"minLength": 10**9}))) < 100
    assert max(map(len, candidates({"minLength": 1e999, "maxLength": "x"}))) < 100
