"""References are written out where they are local, and never followed elsewhere."""

from __future__ import annotations

import time
from typing import Any

import pytest

from holdfast_attack.tools.refs import MOST, foreign, merged, resolved, target

TEXT = {"type": "string"}


def test_a_reference_is_written_out_with_what_stands_beside_it() -> None:
    schema = {"$defs": {"t": TEXT}, "properties": {"a": {"$ref": "#/$defs/t", "maxLength": 3}}}
    assert resolved(schema) == {"properties": {"a": {"type": "string", "maxLength": 3}}}


def test_all_of_becomes_one() -> None:
    schema = {
        "allOf": [
            {"properties": {"a": {"minimum": 1}}, "required": ["a"]},
            {"properties": {"a": {"minimum": 2, "maximum": 9}, "b": TEXT}, "required": ["b", "a"]},
        ],
        "maximum": 4,
    }
    assert resolved(schema) == {
        "properties": {"a": {"minimum": 2, "maximum": 9}, "b": TEXT},
        "required": ["a", "b"],
        "maximum": 4,
    }


def test_a_circle_ends_as_anything() -> None:
    schema = {"$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"}
    assert resolved(schema) == {"type": "object", "properties": {"next": {}}}
    assert resolved({"$ref": "#"}) == {}


@pytest.mark.parametrize("key", ["allOf", "anyOf"])
def test_definitions_that_double_each_time_cost_no_more_than_the_bound(key: str) -> None:
    double: dict[str, Any] = {f"a{n}": {key: [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
    began = time.monotonic()
    resolved({"$defs": double, "$ref": "#/$defs/a0"})
    assert time.monotonic() - began < 5


def test_a_deep_schema_is_cut() -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"properties": {"x": deep}}
    levels, part = 0, resolved(deep)
    while part:
        levels, part = levels + 1, part["properties"]["x"]
    assert levels < 20


def test_a_wide_schema_is_cut() -> None:
    wide = resolved({"properties": {f"p{n}": TEXT for n in range(3 * MOST)}})["properties"]
    assert sum(part == TEXT for part in wide.values()) < MOST


@pytest.mark.parametrize(
    "schema", [None, 7, "x", [], True, {"properties": 7, "allOf": 7, "items": 7, "anyOf": [7]}, {7: 8}]
)
def test_what_is_no_schema_is_anything(schema: Any) -> None:
    assert isinstance(resolved(schema), dict)


def test_what_nothing_fits_is_said_so() -> None:
    assert resolved(False) == {"not": {}}


@pytest.mark.parametrize(
    "reference, found",
    [
        ("#/$defs/a", TEXT),
        ("#/$defs/a~1b/items/0", 5),
        ("#/$defs/a%20c", 6),
        ("#here", {"$anchor": "here"}),
        ("#moving", {"$dynamicAnchor": "moving"}),
        ("#/$defs/none", None),
        ("#nowhere", None),
        ("#/$defs/a~1b/items/00000001", None),
        ("http://127.0.0.1/x", None),
        ("other.json", None),
        (7, None),
    ],
)
def test_what_a_reference_points_at(reference: Any, found: Any) -> None:
    definitions = {
        "a": TEXT,
        "a/b": {"items": [5]},
        "a c": 6,
        "h": {"$anchor": "here"},
        "m": {"$dynamicAnchor": "moving"},
        "odd": 7,
    }
    assert target({"$defs": definitions}, reference) == found


def test_references_that_lead_elsewhere_are_named() -> None:
    schema = {
        "properties": {
            "a": {"$ref": "https://example.com/a.json"},
            "b": {"items": [{"$ref": "other.json#/x"}]},
            "c": {"$ref": "file:///etc/passwd"},
            "d": {"$ref": "#/$defs/d"},
            "e": {"$ref": "https://json-schema.org/draft/2020-12/schema"},
            "f": {"enum": [{"$ref": "https://example.com/is-a-value"}]},
            "g": {"$ref": 7},
        }
    }
    assert sorted(foreign(schema)) == ["file:///etc/passwd", "https://example.com/a.json", "other.json#/x"]


def test_a_reference_to_a_part_by_its_own_address_stays_inside() -> None:
    schema = {
        "$id": "https://example.com/root.json",
        "$defs": {"a": {"$id": "https://example.com/a.json"}},
        "properties": {
            "a": {"$ref": "https://example.com/a.json"},
            "b": {"$ref": "a.json"},
            "c": {"$ref": "https://example.com/root.json#/$defs/a"},
        },
    }
    assert foreign(schema) == ()
    assert foreign(None) == foreign(True) == ()


def test_what_both_allow() -> None:
    one = {"type": ["string", "null"], "enum": ["a", "b"], "minLength": 1, "maxLength": 9, "title": "one", "x": [1]}
    other = {"type": ["string"], "enum": ["b", "c"], "minLength": True, "maxLength": 5, "title": "other", "x": [2]}
    assert merged(one, other) == {
        "type": ["string"],
        "enum": ["b"],
        "minLength": True,
        "maxLength": 5,
        "title": "other",
        "x": [2],
    }
