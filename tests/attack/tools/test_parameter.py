"""A value is put into the shape that a parameter wants."""

from __future__ import annotations

from typing import Any

from attack.tools.listings import INTEGER, STRING, STRINGS, tool

from holdfast_attack.tools import Parameter, conforms

EDIT = {
    "type": "object",
    "properties": {"old": STRING, "new": STRING, "all": {"type": "boolean"}},
    "required": ["old", "new"],
}


def one(schema: dict[str, Any], *, nested: str = "") -> Parameter:
    """The only parameter of a tool, or one of those inside it."""
    made = tool("do", {"p": schema}, "p")
    return next(each for each in made.nested if each.label == nested) if nested else made.parameters[0]


def test_a_plain_one_takes_the_value_itself() -> None:
    assert one(STRING).carry("x") == "x"
    assert one(INTEGER).carry(7) == 7
    assert one({"anyOf": [STRING, {"type": "null"}]}).carry("x") == "x"


def test_a_list_takes_it_as_an_element() -> None:
    assert one(STRINGS).carry("x") == ["x"]
    assert one(STRINGS).label == "p[]"
    assert one({"anyOf": [{"type": "null"}, STRINGS]}).carry("x") == ["x"]


def test_a_list_that_must_be_longer_is_filled_up() -> None:
    schema = {**STRINGS, "minItems": 3}
    carried = one(schema).carry("x")
    assert carried[0] == "x"
    assert conforms(schema, carried) is True


def test_where_a_text_is_taken_as_well_as_a_list_it_is_the_text() -> None:
    assert one({"anyOf": [STRINGS, STRING]}).carry("x") == "x"


def test_a_property_of_an_object_takes_it_among_what_is_required() -> None:
    inner = one(EDIT, nested="p.old")
    assert inner.carry("x") == {"old": "x", "new": "hello"}
    assert inner.name == "p"
    assert inner.required
    assert not one(EDIT, nested="p.all").required


def test_a_list_of_objects_takes_it_in_the_first() -> None:
    inner = one({"type": "array", "items": EDIT}, nested="p[].new")
    assert inner.carry("x") == [{"old": "hello", "new": "x"}]


def test_a_list_in_an_object_takes_it_as_an_element() -> None:
    inner = one({"type": "object", "properties": {"paths": STRINGS}}, nested="p.paths[]")
    assert inner.carry("x") == {"paths": ["x"]}


def test_putting_keeps_what_is_there() -> None:
    arguments = {"p": [{"old": "a", "new": "b"}, {"old": "c", "new": "d"}], "q": 1}
    inner = one({"type": "array", "items": EDIT}, nested="p[].old")
    assert inner.put(arguments, "x") == {"p": [{"old": "x", "new": "b"}, {"old": "c", "new": "d"}], "q": 1}
    assert arguments["p"][0]["old"] == "a"


def test_putting_where_nothing_is_makes_the_shape() -> None:
    inner = one({"type": "array", "items": EDIT}, nested="p[].old")
    for there in ({}, {"p": []}, {"p": "another shape"}, {"p": [7]}):
        assert inner.put(there, "x")["p"] == [{"old": "x", "new": "hello"}]


def test_a_schema_that_says_nothing_of_its_elements_takes_the_value_itself() -> None:
    assert one({"type": "array"}).carry("x") == "x"
    assert one({"type": "array", "items": True}).label == "p"


def test_the_payload_arrives_where_the_role_says_it_does() -> None:
    made = tool("get", {"sources": {"type": "array", "items": {"type": "object", "properties": {"url": STRING}}}})
    (parameter,) = [each for each in made.nested if str(each.role) == "url"]
    assert parameter.put({}, "http://127.0.0.1/") == {"sources": [{"url": "http://127.0.0.1/"}]}
