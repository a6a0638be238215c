"""Wording: what one schema takes, as a phrase."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.wording import MAX_CHOICES, described


@pytest.mark.parametrize(
    "node, words",
    [
        ({"type": "string"}, "a string"),
        ({"type": "integer", "minimum": 1, "maximum": 100}, "an integer from 1 to 100"),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "a number above 0 and below 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "a number above 0 and of at most 1"),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "a number of at least 0 and below 1"),
        ({"type": "integer", "maximum": 0}, "an integer of at most 0"),
        ({"type": "string", "maxLength": 8}, "a string of at most 8 characters"),
        ({"type": "string", "minLength": 2}, "a string of at least 2 characters"),
        ({"type": "string", "minLength": 2, "maxLength": 8}, "a string of 2 to 8 characters"),
        ({"type": "array", "minItems": 2, "maxItems": 2}, "a list of exactly 2 items"),
        ({"type": "object", "minProperties": 1}, "an object of at least 1 entries"),
        ({"type": "string", "format": "date-time"}, "a string in date-time form"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "a string that matches ^[a-z]+$"),
        ({"type": ["string", "null"]}, "a string or null"),
        ({"enum": ["red", 3, True, None]}, "one of red, 3, true, null"),
        ({"const": "cat"}, "the value cat"),
        ({"const": None}, "the value null"),
        ({}, "another value"),
        ({"type": "boolean"}, "true or false"),
    ],
)
def test_a_schema_is_told_in_words(node: dict[str, Any], words: str) -> None:
    assert described(node) == words


def test_a_long_enumeration_is_cut() -> None:
    assert described({"enum": list(range(1000))}).count(",") == MAX_CHOICES - 1
