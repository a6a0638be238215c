"""Every way in which one value can be wrong is there."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast_attack.tools import Role, conforms
from holdfast_attack.tools.values import ANYTHING
from holdfast_attack.tools.wrong import LONG, MANY, Fault, Wrong, wrong

TEXT = {"type": "string"}


def faults(schema: dict[str, Any], fault: Fault, sound: Any = ANYTHING, role: Role = Role.TEXT) -> list[Any]:
    """The values of one kind that the schema forbids."""
    return [
        each.value
        for each in wrong(schema, sound, role)
        if each.fault is fault and conforms(schema, each.value) is False
    ]


def test_types_that_cannot_be_taken_for_another() -> None:
    assert faults(TEXT, Fault.TYPE) == [["holdfast", "attack"], {"holdfast": "attack"}]
    assert 1.5 in faults({"type": "integer"}, Fault.TYPE)
    assert 1.5 not in faults({"type": "number"}, Fault.TYPE)
    assert 7 in faults({"type": "boolean"}, Fault.TYPE)
    assert faults({"type": ["string", "array", "object"]}, Fault.TYPE) == [1.5, 1.5]
    assert faults({}, Fault.TYPE) == []


def test_types_that_read_the_same() -> None:
    assert faults({"type": "integer"}, Fault.COERCION, 41) == ["41", True]
    assert faults({"type": "boolean"}, Fault.COERCION) == ["true", 1]
    assert faults(TEXT, Fault.COERCION) == [41, True]
    assert faults({"type": "array", "items": TEXT}, Fault.COERCION, ["a"]) == ['["a"]', "a"]
    assert faults({"type": "object", "properties": {"a": TEXT}, "required": ["a"]}, Fault.COERCION, {"a": "b"}) == [
        '{"a": "b"}'
    ]
    assert faults({"type": ["integer", "string"]}, Fault.COERCION) == [True, True]


def test_a_whole_number_written_as_a_fraction_is_no_fault() -> None:
    assert 1.0 not in [each.value for each in wrong({"type": "integer"}, 1, Role.OTHER) if each.value is not True]


@pytest.mark.parametrize(
    "schema, values",
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, [0, 10]),
        ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 9}, [1, 9]),
        ({"type": "integer", "multipleOf": 5}, [6]),
        ({**TEXT, "minLength": 3}, ["he"]),
        ({**TEXT, "maxLength": 7}, ["helloaaa"]),
        ({"type": "array", "items": TEXT, "minItems": 1}, [[]]),
        ({"type": "array", "items": TEXT, "maxItems": 1}, [["hello", "hello"]]),
        ({"type": "array", "items": TEXT, "uniqueItems": True}, [["hello", "hello"]]),
        ({"type": "array", "maxItems": 0}, [["a"]]),
        ({**TEXT, "maxLength": 10**9, "minLength": -1}, []),
        ({"type": "number", "minimum": 1e300}, [0]),
    ],
)
def test_one_beyond_each_bound(schema: dict[str, Any], values: list[Any]) -> None:
    found = faults(schema, Fault.BOUNDS, 5 if "multipleOf" in schema else ANYTHING)
    assert found[: len(values)] == values or schema.get("minimum") == 1e300


def test_a_text_that_its_pattern_does_not_match() -> None:
    assert faults({**TEXT, "pattern": "^[a-z]+$"}, Fault.BOUNDS, "abc")[0] == "!"


@pytest.mark.parametrize(
    "role, sound, same",
    [
        (Role.PATH, "hello.txt", lambda text: text.removeprefix("./" * 8).lstrip("/") == "hello.txt"),
        (Role.FOLDER, ".", lambda text: text.strip("./") == ""),
        (Role.SQL, "SELECT 1", lambda text: text.strip() == "SELECT 1"),
        (Role.URL, "http://a/", lambda text: text.partition("#")[0] == "http://a/"),
    ],
)
def test_a_text_that_is_too_long_says_the_same_where_it_can(role: Role, sound: str, same: Any) -> None:
    (long,) = faults({**TEXT, "maxLength": 25}, Fault.BOUNDS, sound, role)
    assert len(long) > 25
    assert same(long)


def test_what_is_not_listed() -> None:
    assert faults({"enum": ["Fast", "slow"]}, Fault.ENUM) == ["none-of-those-listed", "fAST", "Fast "]
    assert faults({"enum": [1, 5]}, Fault.ENUM) == [6]
    assert faults({"const": "x"}, Fault.ENUM) == ["none-of-those-listed", "X", "x "]
    assert faults({"enum": ["1", "x"], "const": "x"}, Fault.ENUM)[0] == "none-of-those-listed"
    assert faults({"enum": 7}, Fault.ENUM) == []


def test_null_where_it_is_not_allowed() -> None:
    assert faults(TEXT, Fault.NULL) == [None]
    assert faults({"anyOf": [TEXT, {"type": "null"}]}, Fault.NULL) == []


def test_huge_values_are_huge_and_bounded() -> None:
    (text, many, keys) = faults({**TEXT, "maxLength": 10}, Fault.HUGE)
    assert (len(text), len(many), len(keys)) == (10 + LONG, MANY, MANY)
    assert [len(str(value)) for value in faults({"type": "integer", "maximum": 10}, Fault.HUGE)] == [301, LONG]
    assert [len(value) for value in faults({"type": "boolean"}, Fault.HUGE)] == [LONG]


def test_what_is_wrong_is_told_without_the_value() -> None:
    told = [each.what for each in wrong({**TEXT, "enum": ["secret-value"]}, "secret-value", Role.TEXT)]
    assert told
    assert not any("secret" in what for what in told)
    assert Wrong(Fault.NULL, "null", None) in list(wrong(TEXT, ANYTHING, Role.TEXT))
