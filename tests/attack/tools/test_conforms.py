"""Whether a value fits a schema is told as JSON Schema has it, and in bounded time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from holdfast_attack.tools import Checker, conforms

WHOLE = {"type": "integer"}


@pytest.mark.parametrize(
    "schema, value, fits",
    [
        (WHOLE, 1, True),
        (WHOLE, 1.0, True),  # to JSON Schema an integer
        (WHOLE, True, False),
        (WHOLE, "1", False),
        (WHOLE, 10**300, True),
        ({"type": "string", "format": "uri"}, "no address", True),  # formats are annotations in 2020-12
        ({"$schema": "http://json-schema.org/draft-07/schema#", "format": "date"}, "no date", True),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [WHOLE]}, ["a"], False),
        ({"prefixItems": [WHOLE]}, ["a"], False),
        ({"pattern": "^(?=a)ab$"}, "ab", True),  # look-around has its own engine
        ({"pattern": "^(?=a)ab$"}, "b", False),
        ({"$defs": {"a": WHOLE}, "$ref": "#/$defs/a"}, "x", False),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, {"type": 7}, False),
        (True, {}, True),
        (False, {}, False),
    ],
)
def test_what_fits(schema: Any, value: Any, fits: bool) -> None:
    assert conforms(schema, value) is fits


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"exclusiveMinimum": True},  # of draft 4
        {"$schema": "https://example.invalid/dialect"},
        {"$ref": "http://127.0.0.1:1/x"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "other.json"},
        {"$ref": "#/$defs/none"},
        {"$ref": "#"},
        {"$defs": {"a": {"$id": "https://example.invalid/a"}}},
        {"pattern": "("},
        {"pattern": "(a{1000}){1000}"},
        {7: 8},
        None,
        "x",
    ],
)
def test_a_schema_that_cannot_be_used_has_no_opinion(schema: Any) -> None:
    assert conforms(schema, {}) is None


def test_a_schema_elsewhere_is_not_read_even_where_it_could_be(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text('{"type": "integer"}')
    assert conforms({"$ref": (tmp_path / "elsewhere.json").as_uri()}, 1) is None


def test_a_value_that_json_cannot_say_is_not_judged() -> None:
    assert conforms({"type": "string"}, "\ud800") is None
    assert conforms({"type": "object"}, {7: 8}) is None


def doubling(levels: int) -> dict[str, Any]:
    double: dict[str, Any] = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(levels)
    }
    return {"$defs": {**double, f"a{levels}": {"type": "object"}}, "$ref": "#/$defs/a0"}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"x": value}
    return value


TWICE = {
    "$defs": {"n": {"properties": {"x": {"allOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}]}}}},
    "$ref": "#/$defs/n",
}


def leftovers(levels: int) -> dict[str, Any]:
    """Each level looks at what the next has left over."""
    chain = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}", "unevaluatedProperties": {}} for n in range(levels)}
    return {"$defs": {**chain, f"a{levels}": {"type": "object"}}, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize(
    "schema, value",
    [
        (doubling(60), {}),
        (TWICE, nested(60)),
        ({"items": {"items": {"enum": list(range(200))}}}, [[0] * 100] * 100),
        ({"patternProperties": {f"^{n}": {} for n in range(300)}}, {f"k{n}": n for n in range(1_000)}),
        (nested(5_000), {}),
        ({"anyOf": [{}] * 50_000}, {}),
        ({"patternProperties": {f"{n}": {} for n in range(1_000)}}, {}),
        ({"anyOf": [{"pattern": "a" * 1_000}] * 60}, "a"),
        ({"pattern": "^(?=a)(a+)+$"}, "a" * 100_000),
    ],
)
def test_a_hostile_schema_is_turned_away_in_time(schema: Any, value: Any) -> None:
    began = time.monotonic()
    assert conforms(schema, value) is None
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a+)+$", r"^(a+)+\1(?=b)$"])
def test_a_hostile_pattern_does_not_hang(pattern: str) -> None:
    began = time.monotonic()
    assert conforms({"pattern": pattern}, "a" * 60 + "!") is not True
    assert time.monotonic() - began < 5


def test_an_engine_that_gives_up_has_no_opinion() -> None:
    assert conforms({"pattern": r"^(\w+\s?)*(?!x)$"}, "aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii!") is None


def test_a_checker_is_made_once_and_asked_often() -> None:
    checker = Checker({"type": "object", "required": ["a"]})
    assert checker.usable
    assert [checker.accepts(value) for value in ({}, {"a": 1}, {})] == [False, True, False]
    assert not Checker({"type": 7}).usable


def test_a_large_honest_value_is_judged() -> None:
    assert conforms({"items": {"type": "integer"}}, list(range(5_000))) is True
    assert conforms({"type": "string"}, [0] * 100_000) is False


def test_keywords_that_reach_what_others_left_are_weighed_twice() -> None:
    assert conforms(leftovers(5), {"a": 1}) is True
    assert conforms(leftovers(40), {"a": 1}) is None


def test_every_keyword_with_a_schema_in_it_is_followed() -> None:
    schema = {
        "if": {"required": ["a"]},
        "then": {
            "properties": {"a": {"prefixItems": [WHOLE], "items": {"type": "string"}, "contains": {"const": "x"}}}
        },
        "else": {"propertyNames": {"maxLength": 3}},
        "not": {"required": ["z"]},
        "dependentSchemas": {"b": {"additionalProperties": {}}},
    }
    assert conforms(schema, {"a": [1, "x"], "b": 1}) is True
    assert conforms(schema, {"a": [1, 2]}) is False
    assert conforms(schema, {"long": 1}) is False
