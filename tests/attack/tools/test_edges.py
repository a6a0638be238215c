"""Valid inputs at the edges are valid, and leave alone what reaches out."""

from __future__ import annotations

from attack.tools.listings import INTEGER, STRING, STRINGS, fetching, tool, workspace

from holdfast_attack.tools import Role, World, conforms, honest
from holdfast_attack.tools.edges import LONGEST, MOST, edges

NONE: frozenset[Role] = frozenset()


def test_all_of_them_are_valid() -> None:
    for made in (*workspace().tools, *fetching().tools):
        found = edges(made, honest(made, World()), NONE)
        assert found
        assert all(conforms(made.schema, arguments) is True for arguments in found)
        assert len(found) <= MOST


def test_numbers_at_their_bounds_come_first() -> None:
    made = tool("do", {"a": {**INTEGER, "minimum": 3, "maximum": 9}}, "a")
    assert [each["a"] for each in edges(made, {"a": 5}, NONE)][:2] == [3, 9]


def test_texts_are_empty_long_and_strange() -> None:
    found = [each["a"] for each in edges(tool("do", {"a": STRING}, "a"), {"a": "x"}, NONE)]
    assert found[:2] == ["", "a" * LONGEST]
    assert "a\0b" in found
    short = tool("do", {"a": {**STRING, "minLength": 2, "maxLength": 4}}, "a")
    assert [each["a"] for each in edges(short, {"a": "xx"}, NONE)][:2] == ["aa", "aaaa"]


def test_choices_flags_lists_and_null() -> None:
    made = tool(
        "do",
        {
            "e": {"enum": ["x", "y"]},
            "f": {"type": "boolean"},
            "l": STRINGS,
            "n": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        },
    )
    found = edges(made, {}, NONE)
    assert {"e": "x"} in found
    assert {"e": "y"} in found
    assert {"f": True} in found
    assert {"l": []} in found
    assert {"n": None} in found
    assert {"e": "x", "f": False, "l": [], "n": 1} in found


def test_parameters_are_taken_in_turns() -> None:
    found = edges(tool("do", {"a": STRING, "b": STRING}, "a", "b"), {"a": "x", "b": "x"}, NONE)
    assert found[:2] == ({"a": "", "b": "x"}, {"a": "x", "b": ""})


def test_what_reaches_out_stays_as_it_is() -> None:
    made = tool("do", {"url": STRING, "text": STRING}, "url", "text")
    arguments = {"url": "http://127.0.0.1:9/", "text": "x"}
    found = edges(made, arguments, frozenset({Role.URL}))
    assert len(found) > 3
    assert {each["url"] for each in found} == {"http://127.0.0.1:9/"}


def test_a_schema_that_cannot_be_used_has_none() -> None:
    assert edges(tool("do", {"a": {"type": "nonsense"}}, "a"), {"a": 1}, NONE) == ()
