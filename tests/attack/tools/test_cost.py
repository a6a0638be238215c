"""What a schema and a value would cost a validator is known before it is asked."""

from __future__ import annotations

import pytest

from holdfast_attack.tools.cost import MOST_NODES, Cost, TooCostly, has_own_ids, longest_text, weigh


def test_a_plain_schema_weighs_little() -> None:
    weigh({"type": "object", "properties": {"a": {"pattern": "^a$"}}, "patternProperties": {"^x": {}}})


def test_a_schema_of_too_many_values_is_turned_away() -> None:
    weigh({"enum": list(range(MOST_NODES - 10))})
    with pytest.raises(TooCostly):
        weigh({"enum": list(range(MOST_NODES))})


def test_each_walk_begins_anew() -> None:
    cost = Cost({"items": {"type": "integer"}})
    for _ in range(5):
        cost.walk([0] * 5_000)


def test_a_reference_that_is_no_text_leads_nowhere() -> None:
    Cost({"$ref": 7, "allOf": 7, "properties": 7, "items": 7}).walk({"a": [1]})


def test_own_addresses_are_seen_but_for_that_of_the_whole() -> None:
    assert not has_own_ids({"$id": "https://example.invalid/whole", "properties": {"a": {"$id": "#a"}}})
    assert has_own_ids({"anyOf": [{"items": {"$id": "https://example.invalid/part"}}]})
    assert not has_own_ids({"properties": {"$id": {"type": "string"}}})
    assert not has_own_ids(True)


def test_the_longest_text_is_found_in_values_and_keys() -> None:
    assert longest_text({"a": ["bb", {"cccc": "ddd"}], "e": 7}) == 4
    assert longest_text(7) == 0
