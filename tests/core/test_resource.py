"""Resources: templates match exactly what they say, quickly, and nothing in a parameter can climb."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.resource import MAX_URI, Resource
from holdfast.errors import ConfigurationError, InvalidArguments, OutputInvalid


def nothing() -> str:
    """Static."""
    return ""


def one(a: str) -> str:
    return a


def two(a: str, b: str) -> str:
    return a + b


def five(a: str, b: str, c: str, d: str, e: str) -> str:
    return a


def numbered(a: int, b: bool) -> str:
    return str(a)


@pytest.mark.parametrize(
    "template, uri, found",
    [
        ("note://{a}", "note://ada", {"a": "ada"}),
        ("note://{a}", "note://ada%20l", {"a": "ada l"}),
        ("note://{a}", "note://%C3%A9t%C3%A9", {"a": "été"}),
        ("note://{a}", "note://été", {"a": "été"}),
        ("note://{a}", "note://100%25", {"a": "100%"}),
        ("note://{a}", "note://100%", {"a": "100%"}),
        ("note://{a}", "note://...", {"a": "..."}),
        ("note://{a}/x/{b}", "note://1/x/2", {"a": "1", "b": "2"}),
        ("note://{a}-{b}", "note://1-2-3", {"a": "1-2", "b": "3"}),
        ("f.o+o://(x)[y]{a}$", "f.o+o://(x)[y]1$", {"a": "1"}),
        ("note://{a}", "NOTE://ada", None),
        ("note://{a}", "note://", None),
        ("note://{a}", "note://a/b", None),
        ("note://{a}", "note://a?b", None),
        ("note://{a}", "note://a#b", None),
        ("note://{a}", "xnote://a", None),
        ("note://{a}/x", "note://a/x/", None),
        ("f.o://{a}", "fxo://a", None),
    ],
)
def test_a_template_matches_what_it_says(template: str, uri: str, found: dict[str, str] | None) -> None:
    assert Resource(template, two if "{b}" in template else one).match(uri) == found


@pytest.mark.parametrize(
    "hostile",
    [
        "..", ".", "%2e%2e", "%2E.", "a%2fb", "a%2Fb", "..%2f..%2fetc", "%5c", "..%5C", "%252e%252e", "%252f",
        "%25%32%66",
        "%00", "a%00b", "a\0", "%ff", "%c0%ae", "%ed%a0%80", "\ud800",
    ],
)  # fmt: skip
def test_a_parameter_cannot_climb_hide_a_separator_or_be_encoded_twice(hostile: str) -> None:
    assert Resource("note://{a}", one).match(f"note://{hostile}") is None


@given(value=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_other_text_comes_back_as_it_was_encoded(value: str) -> None:
    found = Resource("note://{a}/end", one).match(f"note://{quote(value, safe='')}/end")
    climbs = any(sign in value for sign in "/\\\0") or value in (".", "..") or unquote(value) != value
    assert found == (None if climbs or len(quote(value, safe="")) > MAX_URI - 11 else {"a": value})


@pytest.mark.parametrize("template", ["x://{a}-{b}-{c}-{d}-{e}/end", "x://{a}.{b}.{c}.{d}.{e}"])
@pytest.mark.parametrize("filler", ["-", ".", "-.", "a", "%2e", "é"])
def test_a_hostile_uri_against_many_parameters_is_answered_at_once(template: str, filler: str) -> None:
    resource = Resource(template, five)
    uri = ("x://" + filler * MAX_URI)[: MAX_URI - 1] + "/"
    begun = time.process_time()
    assert resource.match(uri) is None
    assert time.process_time() - begun < 0.5  # for `re` it was hours


def test_a_uri_of_more_than_2048_characters_matches_nothing() -> None:
    resource = Resource("x://{a}", one)
    assert resource.match("x://" + "a" * (MAX_URI - 4)) is not None
    assert resource.match("x://" + "a" * (MAX_URI - 3)) is None


@pytest.mark.parametrize(
    "uri, function, told",
    [
        ("x://{+a}", nothing, "no other braces"),
        ("x://{?a,b}", nothing, "no other braces"),
        ("x://{a*}", nothing, "no other braces"),
        ("x://{}", nothing, "no other braces"),
        ("x://{a", nothing, "no other braces"),
        ("x://a}", nothing, "no other braces"),
        ("x://{{a}}", one, "no other braces"),
        ("x://{a}/{a}", one, "each parameter once"),
        ("x://{a}{b}", two, "something between two"),
        ("x://{a}", nothing, "the same names"),
        ("x://{a}", two, "the same names"),
        ("x://static", one, "the same names"),
    ],
)
def test_what_is_no_template_of_level_1_is_an_error_of_the_author(uri: str, function: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Resource(uri, function)


def test_parameters_of_other_types_are_read_from_their_text() -> None:
    resource = Resource("x://{a}/{b}", numbered)
    found = resource.match("x://41/true")
    assert found == {"a": "41", "b": "true"}
    assert resource.values(resource.arguments.check(found, None)) == {"a": 41, "b": True}
    with pytest.raises(InvalidArguments, match=r"^a takes an integer$"):
        resource.arguments.check({"a": "canary", "b": "true"}, None)


def test_resources_and_templates_are_listed_as_what_they_are() -> None:
    static = Resource("x://static", nothing, mime_type="text/plain", title="T")
    assert static.listing() == {
        "name": "nothing", "title": "T", "description": "Static.", "uri": "x://static", "mimeType": "text/plain",
    }  # fmt: skip
    assert not static.is_template
    template = Resource("x://{a}", one)
    assert template.listing() == {"name": "one", "uriTemplate": "x://{a}"}
    assert template.is_template
    assert template.read_only


def test_a_resource_that_moved_answers_to_its_new_uri_only_and_the_old_one_stays() -> None:
    resource = Resource("x://{a}", one)
    moved = resource.moved("x://ns/{a}")
    assert moved.match("x://ns/1") == {"a": "1"}
    assert moved.match("x://1") is None
    assert resource.match("x://1") == {"a": "1"}


@pytest.mark.parametrize(
    "value, body",
    [
        ("text", {"text": "text"}),
        (b"\x00\xff", {"blob": "AP8="}),
        ({"a": [1, None]}, {"text": '{"a":[1,null]}'}),
        (float("nan"), {"text": "null"}),
        (["\ud800"], {"text": '["\ufffd"]'}),
    ],
)
def test_text_bytes_and_anything_that_json_holds_are_contents(value: Any, body: dict[str, str]) -> None:
    answer = Resource("x://static", nothing, mime_type="a/b").present(value)
    assert answer.body == {"contents": [{"uri": "x://static", "mimeType": "a/b"} | body]}


def test_what_json_cannot_hold_is_refused_in_clean_words() -> None:
    with pytest.raises(OutputInvalid, match="cannot be written as JSON"):
        Resource("x://static", nothing).present(object())
