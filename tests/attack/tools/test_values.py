"""Values are found that fit a schema, as small as may be."""

from __future__ import annotations

import time
from typing import Any

import pytest

from holdfast_attack.tools.conforms import conforms
from holdfast_attack.tools.values import branch, is_finite, valid

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


@pytest.mark.parametrize(
    "schema, value",
    [
        (TEXT, "hello"),
        (WHOLE, 1),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": "array", "items": TEXT}, []),
        ({"type": "object"}, {}),
        ({"const": [7]}, [7]),
        ({"enum": ["b", "c"]}, "b"),
        ({"type": "integer", "default": 10, "maximum": 20}, 10),
        ({"type": "integer", "default": 10, "maximum": 5}, 1),
        ({"type": "string", "examples": ["x"]}, "x"),
        ({"anyOf": [{"type": "null"}, WHOLE]}, 1),
        ({"oneOf": [{"minimum": 5}, {"maximum": 7}], "type": "integer"}, 1),
        ({"type": "integer", "minimum": 7, "maximum": 7}, 7),
        ({"type": "integer", "exclusiveMinimum": 7, "exclusiveMaximum": 9}, 8),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "multipleOf": 7, "minimum": 8}, 14),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "array", "items": WHOLE, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": TEXT, "minItems": 2, "uniqueItems": True}, ["a0", "a1"]),
        ({"type": "array", "items": WHOLE, "minItems": 3, "uniqueItems": True}, [0, 1, 2]),
        ({"type": "array", "prefixItems": [TEXT, WHOLE], "items": False}, ["hello", 1]),
        ({"type": "object", "properties": {"a": WHOLE, "b": TEXT}, "required": ["a"]}, {"a": 1}),
        ({"type": "object", "properties": {"a": WHOLE}, "minProperties": 1}, {"a": 1}),
        ({"type": "string", "pattern": "^[A-Z]{2}\\d$"}, "AA1"),
        ({"properties": {"a": WHOLE}, "required": ["a"]}, {"a": 1}),
        ({"minimum": 3}, 3),
        ({}, "hello"),
    ],
)
def test_a_value_for_each(schema: dict[str, Any], value: Any) -> None:
    assert valid(schema) == value
    assert conforms(schema, value) is True


def test_what_is_wanted_is_taken_where_it_fits() -> None:
    assert valid(TEXT, "mine") == "mine"
    assert valid({"enum": ["a", "b"]}, "b") == "b"
    assert valid({"enum": ["a", "b"]}, "c") == "a"
    assert valid({"anyOf": [{"type": "null"}, TEXT]}, "mine") == "mine"
    assert valid({"type": "array", "items": TEXT}, "mine") == ["mine"]
    assert valid({"type": "array", "items": TEXT, "minItems": 2}, ["a", "b"]) == ["a", "b"]
    assert valid(WHOLE, 0.01) == 0
    assert valid({"type": "integer", "minimum": 1}, 0.01) == 1
    assert valid({"type": "number"}, 0.01) == 0.01


def test_where_nothing_fits_something_is_given_soon() -> None:
    never: dict[str, Any] = {"not": {}}
    for _ in range(4):
        never = {"anyOf": [never] * 5, "type": "object", "properties": {"a": never}, "required": ["a"]}
    began = time.monotonic()
    valid(never)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": 7, "required": 7},
        {"type": "object", "properties": {"a": 7}, "required": ["a", 8]},
        {"type": "array", "items": 7, "minItems": "x", "prefixItems": 7},
        {"enum": 7, "anyOf": 7, "examples": 7},
        {"type": "string", "minLength": "x", "pattern": 7},
        {"type": "number", "minimum": float("inf"), "multipleOf": "x"},
    ],
)
def test_nonsense_in_a_schema_does_no_harm(schema: dict[str, Any]) -> None:
    valid(schema)


def test_the_branch_of_a_type() -> None:
    either = {"description": "d", "anyOf": [{"type": "null"}, {"oneOf": [{"type": "array", "items": TEXT}, TEXT]}]}
    assert branch(either, "array") == {"description": "d", "type": "array", "items": TEXT}
    assert branch(either, "string") == {"description": "d", "type": "string"}
    assert branch(either, "integer") is None
    assert branch({}, "string") is None


def test_numbers_that_can_be_reckoned_with() -> None:
    assert is_finite(1)
    assert is_finite(1.5)
    assert not any(map(is_finite, (True, "1", None, float("inf"), float("nan"), 10**400)))
