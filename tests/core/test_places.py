"""Places: where a path into the arguments leads in their schema, through references and unions."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.places import MAX_LEAVES, alternatives, found, names_in

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NOTHING = {"type": "null"}


def schema(value: dict[str, Any], **definitions: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"value": value}, "$defs": definitions}


@pytest.mark.parametrize(
    "value, path, there",
    [
        (TEXT, ("value",), [TEXT]),
        ({"type": "array", "items": WHOLE}, ("value", 3), [WHOLE]),
        ({"type": "array", "prefixItems": [TEXT, WHOLE]}, ("value", 1), [WHOLE]),
        ({"type": "array", "prefixItems": [TEXT], "items": WHOLE}, ("value", 5), [WHOLE]),
        ({"type": "object", "properties": {"a": TEXT}}, ("value", "a"), [TEXT]),
        ({"type": "object", "additionalProperties": WHOLE}, ("value", "any"), [WHOLE]),
        ({"anyOf": [{"type": "object", "properties": {"a": TEXT}}, NOTHING]}, ("value", "a"), [TEXT]),
        ({"allOf": [TEXT]}, ("value",), [TEXT]),
        ({"oneOf": [TEXT, WHOLE]}, ("value",), [TEXT, WHOLE]),
    ],
)
def test_a_path_leads_to_its_schema(value: dict[str, Any], path: tuple[int | str, ...], there: list[Any]) -> None:
    assert found(schema(value), path) == there


def test_references_are_followed() -> None:
    tree = schema({"$ref": "#/$defs/Node"}, Node={"properties": {"kids": {"items": {"$ref": "#/$defs/Node"}}}})
    assert found(tree, ("value", "kids", 0, "kids", 1)) == [tree["$defs"]["Node"]]


def test_a_reference_that_leads_nowhere_stays_as_it_is() -> None:
    lost = {"$ref": "#/$defs/Lost"}
    assert alternatives(lost, {}) == [lost]
    assert alternatives({"$ref": "https://elsewhere"}, {}) == [{"$ref": "https://elsewhere"}]


def test_a_reference_to_itself_ends() -> None:
    loop = {"$defs": {"Loop": {"anyOf": [{"$ref": "#/$defs/Loop"}, TEXT]}}}
    assert all(leaf == TEXT for leaf in alternatives({"$ref": "#/$defs/Loop"}, loop))


def test_alternatives_are_bounded() -> None:
    assert len(alternatives({"anyOf": [TEXT] * 500}, {})) <= MAX_LEAVES


def test_the_name_of_an_alternative_is_no_key_of_the_dictionary_beside_it() -> None:
    union = {"anyOf": [{"type": "array", "items": TEXT}, {"type": "object", "additionalProperties": WHOLE}]}
    assert found(schema(union), ("value", "list[str]")) == union["anyOf"]
    assert found(schema(union), ("value", "list[str]", 0)) == [TEXT]
    assert found(schema(union), ("value", "dict[str,int]", "key")) == [WHOLE]
    assert found(schema(union), ("value", "key"), unions=False) == [WHOLE]


def test_a_step_that_leads_nowhere_stays_where_it_is() -> None:
    assert found(schema(TEXT), ("value", "function-after[check(), str]")) == [TEXT]
    assert found(schema({"type": "array"}), ("value", 0)) == [{"type": "array"}]
    assert found(schema({"type": "object", "additionalProperties": True}), ("value", "x")) == [
        {"type": "object", "additionalProperties": True}
    ]


def test_every_declared_name_is_known_at_any_depth() -> None:
    tree = schema({"anyOf": [{"properties": {"a": {"items": {"properties": {"b": TEXT}}}}}, TEXT]}, C={"properties": 5})
    assert names_in(tree) == {"value", "a", "b"}
