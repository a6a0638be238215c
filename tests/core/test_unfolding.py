"""What a schema may cost is reckoned before it is used."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.unfolding import MAX_LOOKS, MAX_NODES, patterns_of, weigh
from holdfast.errors import ConfigurationError

TREE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "left": {"$ref": "#"},
        "right": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        "$id": {"type": "string"},
    },
    "default": {"$id": "a value", "pattern": "(?=value)"},
}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [{}, TREE, nested(150), {"$id": "https://example.com/own", "$ref": "#/$defs/a", "$defs": {"a": {"$anchor": "b"}}},
     {"$defs": {"a b/c": {}, "l": [{"not": {}}]}, "allOf": [{"$ref": "#/$defs/a%20b~1c"}, {"$ref": "#/$defs/l/0"}]},
     {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in "aab"], "$defs": {"a": {"allOf": [{}] * 9}, "b": True}},
     {"properties": {"meta": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}},
     {"$defs": {"n": {"$dynamicAnchor": "n", "items": {"$dynamicRef": "#n"}}}},
     {"items": {"id": "own word"}}, {"allOf": "nothing", "dependentSchemas": 5},
     {"dependentSchemas": {"a": {"required": ["b"]}}, "if": True, "then": {"minimum": 1}}],
    ids=lambda schema: str(schema)[:40],
)  # fmt: skip
def test_a_common_schema_is_taken(schema: dict[str, Any]) -> None:
    weigh(schema)


@pytest.mark.parametrize(
    "schema, told",
    [({"$ref": "#"}, "without end"), ({"allOf": [{"not": {"$ref": "#"}}]}, "without end"),
     ({"$dynamicAnchor": "x", "anyOf": [{"$dynamicRef": "#x"}]}, "without end"),
     ({"allOf": [{}] * (MAX_LOOKS + 1)}, "times"), (nested(201), "too deep"),
     ({"enum2": [[]] * (MAX_NODES + 1)}, "too large"),
     ({"items": {"$id": "x"}}, "id"),
     ({"$schema": "http://json-schema.org/draft-04/schema#", "items": {"id": "x"}}, "id"),
     ({"properties": {"default": {"allOf": [{}] * (MAX_LOOKS + 1)}}}, "times"),
     ({"$defs": {"enum": {"patternProperties": {"const": {"not": {"$ref": "#/$defs/enum"}}}}, "examples": nested(201)}},
      "too deep"),
     ({"dependentSchemas": {"default": {"$ref": "#"}}}, "without end"),
     ({"$ref": "#/default", "default": {"type": "string"}}, "reference"),
     ({"$ref": "#/properties", "properties": {"type": {}}}, "reference"),
     ({"$ref": "#/$defs/none"}, "reference"),
     ({"$ref": "#/$defs/l/7", "$defs": {"l": [{}]}}, "reference"),
     ({"$ref": "#/type/x", "type": "object"}, "reference"),
     ({"$ref": "#nowhere"}, "reference"), ({"$ref": "other.json"}, "reference"),
     ({"$ref": "https://x.org/s"}, "reference")],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_schema_that_costs_too_much_or_leads_elsewhere_is_refused(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        weigh(schema)


def test_a_chain_of_many_references_is_counted_once_each() -> None:
    links: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}]} for n in range(60)}
    weigh({"$defs": {**links, "d60": {}}})
    doubled = {name: {"anyOf": link["allOf"] * 2} for name, link in links.items()}
    with pytest.raises(ConfigurationError, match="times"):
        weigh({"$defs": {**doubled, "d60": {}}})


def test_every_pattern_is_found_once_and_no_value_is_taken_for_one() -> None:
    schema = {
        "properties": {
            "pattern": {"pattern": "a"},
            "enum": {"pattern": "e"},
            "patternProperties": {"f": {}},
            "x": {"patternProperties": {"b": {"items": {"pattern": "c"}}}},
        },
        "allOf": [{"pattern": "a"}, {"pattern": "d"}, {"pattern": 5}],
        "enum": [{"pattern": "no"}],
        "default": {"patternProperties": {"no": {}}},
    }
    assert sorted(patterns_of(schema)) == ["a", "b", "c", "d", "e"]
