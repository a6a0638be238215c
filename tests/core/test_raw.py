"""Schemas of an author's own: bounded, offline, and as silent about values as any other."""

from __future__ import annotations

import socket
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.raw import MAX_SEARCHED, OneScalar, SchemaArguments, by_library, checker, first
from holdfast.errors import ConfigurationError, InvalidArguments

CANARY = "canaryvalue"


def taking(**properties: Any) -> SchemaArguments:
    return SchemaArguments(
        {"type": "object", "properties": properties, "additionalProperties": False, "required": list(properties)[:1]}
    )


def refused(arguments: SchemaArguments, sent: dict[str, Any]) -> str:
    with pytest.raises(InvalidArguments) as caught:
        arguments.check(sent, None)
    assert CANARY not in caught.value.message
    return caught.value.message


def complaint(arguments: SchemaArguments, sent: dict[str, Any]) -> str | None:
    """The message, or nothing when what was sent fits."""
    try:
        arguments.check(sent, None)
    except InvalidArguments as refusal:
        return refusal.message
    return None


def test_what_fits_comes_out_as_it_came_in() -> None:
    sent = {"a": 1, "b": [1.5, None, {"c": "x"}]}
    taken = taking(a={"type": "integer"}, b={}).check(sent, None)
    assert taken == sent
    assert taken is not sent


@pytest.mark.parametrize(
    "properties, sent, told",
    [
        ({"a": {"type": "integer"}}, {"a": CANARY}, "a takes an integer"),
        ({"a": {"type": "integer"}}, {"a": True}, "a takes an integer"),
        ({"a": {"type": "integer"}}, {}, "a is required: takes an integer"),
        ({"a": {"type": "integer"}}, {"a": 1, CANARY: 1}, "an argument is unknown: it takes a"),
        ({"a": {"enum": ["x", "y"]}}, {"a": CANARY}, "a takes one of x, y"),
        ({"a": {"type": ["string", "null"], "maxLength": 3}}, {"a": CANARY},
         "a takes a string of at most 3 characters or null of at most 3 characters"),
        ({"a": {"anyOf": [{"type": "integer"}, {"const": "x"}]}}, {"a": CANARY}, "a takes an integer or the value x"),
        ({"a": {"type": "array", "items": {"type": "string"}}}, {"a": ["x", 5]}, "a[1] takes a string"),
        ({"a": {"type": "object", "properties": {"b": {"type": "integer"}}, "additionalProperties": False}},
         {"a": {CANARY: 1}}, "an argument in a is unknown: it takes b"),
        ({"a": {"type": "object", "additionalProperties": {"type": "integer"}}}, {"a": {CANARY: CANARY}},
         "a takes an integer"),
        ({"a": {"not": {"type": "string"}}}, {"a": CANARY}, "a takes another value"),
        ({"a": {"type": "string", "pattern": "^x"}}, {"a": CANARY}, "a takes a string that matches ^x"),
        ({"a": {"$ref": "#/$defs/Missing"}}, None, None),
    ],
    ids=str,
)  # fmt: skip
def test_a_fault_is_told_in_the_words_of_every_other_tool(properties: Any, sent: Any, told: str | None) -> None:
    if told is None:
        with pytest.raises(ConfigurationError):
            taking(**properties)
    else:
        assert refused(taking(**properties), sent) == told


def test_a_name_that_the_schema_does_not_allow_is_not_repeated() -> None:
    schema = {"type": "object", "propertyNames": {"maxLength": 3}, "unevaluatedProperties": False}
    assert "argument" in refused(SchemaArguments(schema), {CANARY: 1})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([CANARY, f"x{CANARY}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", CANARY]), inner, max_size=3),
    max_leaves=12,
)
NESTED = taking(
    a={
        "type": "object",
        "properties": {"b": {"anyOf": [{"type": "integer"}, {"$ref": "#/properties/a"}]}, "c": {"const": 1}},
        "additionalProperties": False,
    },
    b={"type": "array", "items": {"allOf": [{"type": "object", "required": ["b"]}]}, "uniqueItems": True},
)


@given(sent=st.dictionaries(st.sampled_from(["a", "b", CANARY]), json_values, max_size=3))
def test_no_message_holds_a_sent_value_or_a_key_that_the_caller_chose(sent: dict[str, Any]) -> None:
    assert CANARY not in (complaint(NESTED, sent) or "")


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_text_that_is_not_unicode_is_refused_as_such(text: str) -> None:
    assert "not valid Unicode" in refused(taking(a={}), {"a": text})
    assert "not valid Unicode" in refused(taking(a={}), {text: 1})


# -- bounded ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", ["^(?=(a+)+$)", r"^(a+)\1+$(?!b)", "(?<=a)(a+)+$", "^(?!^[-+.]*$)(a+)+$", "(a{9}){9999}"]
)
@pytest.mark.parametrize("place", ["pattern", "patternProperties"])
def test_a_pattern_that_only_a_backtracking_engine_takes_is_an_error_of_the_author(pattern: str, place: str) -> None:
    with pytest.raises(ConfigurationError, match="pattern is not usable"):
        taking(a={place: pattern} if place == "pattern" else {place: {pattern: {}}})


@pytest.mark.parametrize(
    "pattern",
    [r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$", r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d{0,2}0*$",
     r"^(?!^[-+.]*$)[+-]?0*(?:\d{0,5}|(?=[\d.]{1,6}0*$)\d*\.\d*0*$)",
     r"^(?!^[-+.]*$)[+-]?0*(?:\d{0,5}|(?=[\d.]{1,18}0*$)\d{0,5}\.\d{0,12}0*$)"],
)  # fmt: skip
def test_the_patterns_of_pydantic_for_decimals_are_taken_and_quick(pattern: str) -> None:
    arguments = taking(a={"type": "string", "pattern": pattern}, b={"type": "string", "pattern": "^(a+)+$"})
    assert arguments.check({"a": "1.5"}, None)
    begun = time.process_time()
    for text in ("0" * 100_000 + "x", "1" * 100_000 + ".x", "." * 100_000 + "1x", "+-" * 50_000):
        refused(arguments, {"a": text, "b": "a" * 100_000 + "!"})
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "(x+x+)+y", "^(a|b|ab)*c"])
def test_a_pattern_that_backtracks_is_answered_at_once(pattern: str) -> None:
    arguments = taking(a={"type": "string", "pattern": pattern})
    begun = time.process_time()
    refused(arguments, {"a": "ab" * 10 + "a" * 2_000 + "!"})
    assert time.process_time() - begun < 1.0


def test_a_hundred_thousand_wrong_items_are_refused_within_a_second_by_the_first() -> None:
    arguments = taking(a={"type": "array", "items": {"type": "integer"}})
    begun = time.process_time()
    assert refused(arguments, {"a": ["x"] * 100_000}) == "a[0] takes an integer"
    assert time.process_time() - begun < 1.0
    assert refused(arguments, {"a": ["x"] * (MAX_SEARCHED // 8)}).endswith("; and 15 more")


def test_four_thousand_unique_objects_are_compared_within_a_second() -> None:
    begun = time.process_time()
    taking(a={"uniqueItems": True}).check({"a": [{"n": n} for n in range(4_000)]}, None)
    assert time.process_time() - begun < 1.0


# -- offline ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["$ref", "$schema", "$dynamicRef"])
def test_a_remote_reference_is_refused_and_nothing_is_fetched(place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}/schema"
        schema: dict[str, Any] = {"type": "object", "properties": {"a": {place: uri}}}
        if place == "$schema":
            schema = {"type": "object", "$schema": uri}
        with pytest.raises(ConfigurationError, match="not usable"):
            SchemaArguments(schema)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_file_is_not_read_either(tmp_path: Any) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"type": "integer"}')
    with pytest.raises(ConfigurationError, match="not usable"):
        taking(a={"$ref": file.as_uri()})


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"type": ["object"]},
        {"type": "object", "properties": 5},
        {"type": "object", "properties": {"a": {"pattern": "("}}},
        {"type": "object", "properties": {"a": {"type": "integr"}}},
        {"type": "object", "properties": {"a": object()}},
    ],
)
def test_a_schema_that_is_none_is_an_error_of_the_author(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        SchemaArguments(schema)


def test_the_first_fault_of_a_valid_value_is_asked_for_in_vain() -> None:
    with pytest.raises(ValueError, match="valid"):
        first(checker({"type": "object"}), {})


# -- the check of one plain value ------------------------------------------------------------------------------------


def wrapping(kind: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"result": {"type": kind}}, "required": ["result"]}


@given(
    kind=st.sampled_from(["string", "integer", "number", "boolean", "null"]),
    value=st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])) | st.lists(st.integers(), max_size=1),
)  # fmt: skip
def test_one_plain_value_is_judged_as_the_library_judges_it(kind: str, value: Any) -> None:
    quick = checker(wrapping(kind))
    assert isinstance(quick, OneScalar)
    assert quick.is_valid({"result": value}) == by_library(wrapping(kind)).is_valid({"result": value})


@pytest.mark.parametrize("value", [{}, {"other": 1}, {"result": "x"}, {"result": True}, [1], "x", None, 5])
def test_what_is_no_plain_value_is_left_to_the_library(value: Any) -> None:
    quick = checker(wrapping("integer"))
    assert not quick.is_valid(value)
    assert first(quick, value).kind.name == first(by_library(wrapping("integer")), value).kind.name


@pytest.mark.parametrize(
    "schema",
    [
        wrapping("integer") | {"additionalProperties": False},
        wrapping("object"),
        wrapping("integer") | {"required": []},
        wrapping("integer") | {"type": ["object", "null"]},
        {"type": "object", "properties": {"result": {"type": ["integer", "null"]}}, "required": ["result"]},
        {"type": "object", "properties": {"result": {"type": "integer", "minimum": 0}}, "required": ["result"]},
        {"type": "object", "properties": {"result": True}, "required": ["result"]},
        {"type": "object", "properties": {"a": {"type": "null"}, "b": {}}, "required": ["a"]},
        {"type": "object", "properties": {}, "required": []},
        {"type": "object"},
    ],
    ids=str,
)
def test_a_schema_that_says_more_goes_to_the_library_at_once(schema: dict[str, Any]) -> None:
    assert not isinstance(checker(schema), OneScalar)


def test_a_missing_library_is_told_before_the_first_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(ConfigurationError, match="jsonschema-rs"):
        checker(wrapping("string"))
