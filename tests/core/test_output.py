"""Outputs: whatever a tool returns is sent as declared, or refused in clean words."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import mcp_types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    computed_field,
    field_serializer,
    model_serializer,
)
from typing_extensions import TypedDict

from holdfast.core.content import Audio, EmbeddedResource, Image, ResourceLink, Result, text_block
from holdfast.core.output import Output, ToolOutput, closed, declared_output, encoded, freely
from holdfast.core.pipeline import Answer
from holdfast.errors import ConfigurationError, OutputInvalid

SECRET = "canarysecret"


class Color(Enum):
    RED = "red"


class Typed(TypedDict):
    a: int


@dataclasses.dataclass
class Record:
    a: int
    b: list[int] = dataclasses.field(default_factory=list)


class Aliased(ToolOutput):
    foo: int = Field(serialization_alias="fooOut", validation_alias="fooIn")


class Computed(ToolOutput):
    a: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return self.a * 2


class Serialized(ToolOutput):
    when: datetime

    @field_serializer("when")
    def _seconds(self, when: datetime) -> int:
        return int(when.timestamp())


class Wholly(ToolOutput):
    a: int

    @model_serializer
    def _as_text(self) -> dict[str, str]:
        return {"a": str(self.a)}


class Public(BaseModel):
    name: str


class Private(Public):
    password: str = SECRET


class Hidden(BaseModel):
    name: str
    password: str = Field(SECRET, exclude=True)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Node(BaseModel):
    kids: list[Node] = []


class Pet(BaseModel):
    type: str = "dog"


class Raising(BaseModel):
    a: int = 1

    @field_serializer("a")
    def _fail(self, a: int) -> int:
        raise RuntimeError(SECRET)


class Many(BaseModel):
    price: Decimal
    day: date
    who: UUID
    where: Path
    lasts: timedelta
    raw: bytes
    some: set[int]
    pair: tuple[int, str]
    by_id: dict[int, str]
    color: Color


MANY = Many(
    price=Decimal("1.5"), day=date(2026, 1, 2), who=UUID(int=1), where=Path("a/b"), lasts=timedelta(seconds=3),
    raw=b"ab", some={1}, pair=(1, "a"), by_id={1: "x"}, color=Color.RED,
)  # fmt: skip


def structured(declared: Any, value: Any) -> Any:
    """The structured output of an answer, as sent, and checked again as after egress."""
    output = declared_output(declared)
    assert output is not None
    answer = output.present(value)
    structure = answer.body["structuredContent"]
    assert isinstance(structure, dict)
    output.recheck(structure)
    return structure


def content(declared: Any, value: Any) -> Any:
    assert declared_output(declared) is None
    return freely(value).body["content"]


# -- with a declared type --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "declared, value, sent",
    [
        (int, 5, {"result": 5}),
        (float, 1, {"result": 1.0}),
        (bool, True, {"result": True}),
        (list[int], [1], {"result": [1]}),
        (set[int], {1}, {"result": [1]}),
        (tuple[int, str], (1, "a"), {"result": [1, "a"]}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (dict[int, str], {1: "a"}, {"1": "a"}),
        (Typed, {"a": 1}, {"a": 1}),
        (Record, Record(1), {"a": 1, "b": []}),
        (Aliased, Aliased(fooIn=3), {"fooOut": 3}),
        (Computed, Computed(a=2), {"a": 2, "double": 4}),
        (Serialized, Serialized(when=datetime(2020, 1, 1, tzinfo=UTC)), {"when": 1577836800}),
        (Wholly, Wholly(a=1), {"a": "1"}),
        (Open, Open(name="x", more=1), {"name": "x", "more": 1}),
        (Public | Record, Record(2), {"result": {"a": 2, "b": []}}),
        (int | None, None, {"result": None}),
        (str | None, "x", {"result": "x"}),
        (Public | None, None, {"result": None}),
        (Node, Node(kids=[Node()]), {"result": {"kids": [{"kids": []}]}}),
        (bytes, b"ab", {"result": "ab"}),
        (Path, Path("a/b"), {"result": "a/b"}),
        (datetime, datetime(2026, 1, 2, tzinfo=UTC), {"result": "2026-01-02T00:00:00Z"}),
        (timedelta, timedelta(seconds=3), {"result": "PT3S"}),
        (Decimal, Decimal("1.10"), {"result": "1.10"}),
        (Color, Color.RED, {"result": "red"}),
        (UUID, UUID(int=1), {"result": "00000000-0000-0000-0000-000000000001"}),
        (Annotated[int, Field(ge=0)], 3, {"result": 3}),
        (list[str], ["\ud800"], {"result": ["\ufffd"]}),
        (Public, Public(name="\udcff"), {"name": "\ufffd"}),
        (
            Many,
            MANY,
            {
                "price": "1.5", "day": "2026-01-02", "who": "00000000-0000-0000-0000-000000000001", "where": "a/b",
                "lasts": "PT3S", "raw": "ab", "some": [1], "pair": [1, "a"], "by_id": {"1": "x"}, "color": "red",
            },
        ),
    ],
    ids=lambda value: str(value)[:40] if not isinstance(value, int) else "n",
)  # fmt: skip
def test_a_value_of_the_declared_type_is_sent_as_structure(declared: Any, value: Any, sent: Any) -> None:
    assert structured(declared, value) == sent


def test_the_text_of_an_answer_is_the_same_as_its_structure() -> None:
    output = Output(list[int])
    assert output.present([1, 2]).body["content"] == [text_block("[1,2]")]
    assert Output(str | None).present("plain").body["content"] == [text_block("plain")]


@pytest.mark.parametrize(
    "declared, value",
    [
        (int, "5"),
        (int, 1.5),
        (int, None),
        (bool, 1),
        (float, float("nan")),
        (float, float("inf")),
        (list[int], [1, "2"]),
        (Literal["a", "b"], "c"),
        (Annotated[int, Field(ge=0)], -1),
        (Public, {"name": 5}),
        (Public, {}),
        (Public, {"name": "x", "password": SECRET}),
        (Record, {"a": 1, "password": SECRET}),
        (Color, "blue"),
        (bytes, b"\xff"),
        (int, 10**5000),
        (dict[str, Any], {"a": object()}),
        (Raising, Raising()),
        (Public, SECRET),
    ],
    ids=lambda value: str(value).partition(" at 0x")[0][:40] if not isinstance(value, int) else "n",
)
def test_a_value_that_does_not_fit_is_refused_and_not_repeated(declared: Any, value: Any) -> None:
    with pytest.raises(OutputInvalid) as refused:
        Output(declared).present(value)
    assert SECRET not in refused.value.message
    assert "fault of the server" in refused.value.message


def test_what_only_a_subclass_has_is_not_sent() -> None:
    assert structured(Public, Private(name="ada")) == {"name": "ada"}
    assert structured(list[Public], [Private(name="ada")]) == {"result": [{"name": "ada"}]}
    assert structured(Hidden, Hidden(name="ada")) == {"name": "ada"}
    assert SECRET not in str(Output(Public).present(Private(name="ada")).body)


def test_keys_that_a_typed_dict_does_not_declare_are_not_sent() -> None:
    assert structured(Typed, {"a": 1, "password": SECRET}) == {"a": 1}


def test_the_schema_takes_no_other_names_unless_the_author_says_so() -> None:
    assert Output(Public).schema["additionalProperties"] is False
    assert Output(Open).schema["additionalProperties"] is True
    assert Output(list[Public]).schema["$defs"]["Public"]["additionalProperties"] is False
    assert "additionalProperties" not in Output(list[Public]).schema


def test_a_property_that_is_called_properties_is_closed_like_any_other() -> None:
    inner = {"type": "object", "properties": {"properties": {"type": "object", "properties": {}}}}
    made = closed({"anyOf": [inner], "default": {"properties": {}}})
    assert made["anyOf"][0]["additionalProperties"] is False
    assert made["anyOf"][0]["properties"]["properties"]["additionalProperties"] is False
    assert made["default"] == {"properties": {}}


class Opaque:
    pass


@pytest.mark.parametrize("declared", [Opaque, list[Opaque], Iterator[int]])
def test_a_return_type_without_a_schema_is_an_error_of_the_author(declared: Any) -> None:
    with pytest.raises(ConfigurationError, match="annotate another"):
        declared_output(declared)


def test_a_pattern_that_no_client_can_check_is_an_error_of_the_author() -> None:
    declared = Annotated[str, Field(json_schema_extra={"pattern": "("})]
    with pytest.raises(ConfigurationError, match="not usable"):
        declared_output(declared)


def test_a_schema_that_refers_elsewhere_is_refused_and_nothing_is_fetched() -> None:
    declared = Annotated[list[int], Field(json_schema_extra={"items": {"$ref": "http://127.0.0.1:1/x"}})]
    with pytest.raises(ConfigurationError, match="not usable"):
        declared_output(declared)


def test_a_hundred_thousand_wrong_items_are_refused_within_a_second() -> None:
    output = Output(list[int])
    begun = time.process_time()
    with pytest.raises(OutputInvalid):
        output.present(["x"] * 100_000)
    assert time.process_time() - begun < 1.0


# -- without one -----------------------------------------------------------------------------------------------------

PICTURE = {"type": "image", "data": "eA==", "mimeType": "image/png"}


@pytest.mark.parametrize(
    "declared, value, blocks",
    [
        (None, None, []),
        (str, "x", [text_block("x")]),
        (str, 5, [text_block("5")]),
        (Any, {"a": 1}, [text_block('{"a":1}')]),
        (Any, [1, "a"], [text_block('[1,"a"]')]),
        (Any, (), []),
        (Any, [], [text_block("[]")]),
        (Any, b"ab", [text_block('"ab"')]),
        (Any, float("nan"), [text_block("null")]),
        (Any, Pet(), [text_block('{"type":"dog"}')]),
        (Any, Record(1), [text_block('{"a":1,"b":[]}')]),
        (Any, ["\ud800"], [text_block('["\ufffd"]')]),
        (Any, Public(name="\ud800"), [text_block('{"name":"\ufffd"}')]),
        (Image, Image(b"x"), [PICTURE]),
        (Image | None, None, []),
        (list[Image | str], [Image(b"x"), "y"], [PICTURE, text_block("y")]),
        (
            Any,
            [Image(b"x"), 5, {"a": 1}, None, text_block("t")],
            [PICTURE, text_block("5"), text_block('{"a":1}'), text_block("null"), text_block("t")],
        ),
        (Audio, Audio(b"x"), [{"type": "audio", "data": "eA==", "mimeType": "audio/wav"}]),
        (
            EmbeddedResource,
            EmbeddedResource("a://b", "t"),
            [{"type": "resource", "resource": {"uri": "a://b", "text": "t"}}],
        ),
        (ResourceLink, ResourceLink("a://b", "n"), [{"type": "resource_link", "uri": "a://b", "name": "n"}]),
        (mcp_types.TextContent, mcp_types.TextContent(type="text", text="x"), [text_block("x")]),
        (list[mcp_types.TextContent], [mcp_types.TextContent(type="text", text="x")], [text_block("x")]),
        (Any, mcp_types.TextContent(type="text", text="x"), [text_block("x")]),
        (Result, Result("t"), [text_block("t")]),
        (Result, Result([Image(b"x"), "y"]), [PICTURE, text_block("y")]),
        (Result, Result(), []),
    ],
    ids=lambda value: str(value)[:40] if not isinstance(value, int) else "n",
)
def test_what_has_no_structure_is_sent_as_content(declared: Any, value: Any, blocks: Any) -> None:
    assert content(declared, value) == blocks


def test_a_result_sets_content_structure_and_meta_apart() -> None:
    answer = freely(Result("t", {"a": float("nan")}, {"my.org/k": [1]}))
    assert answer == Answer({"content": [text_block("t")], "structuredContent": {"a": None}}, {"my.org/k": [1]})
    assert freely(Result("t", structured=Public(name="x"))).body["structuredContent"] == {"name": "x"}


@pytest.mark.parametrize(
    "result",
    [Result(structured=[1]), Result(structured="x"), Result(meta={"k": object()}), Result(structured={"a": object()})],
)
def test_a_result_that_the_wire_could_not_take_is_refused(result: Result) -> None:
    with pytest.raises(OutputInvalid):
        freely(result)


def cycle() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(5_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        [object()],
        b"\xff",
        ["\ud800", b"\xff"],
        ["\ud800", object()],
        cycle(),
        deep(),
        ["\ud800", cycle()],
        Raising(),
        [Raising(), "\ud800"],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_refused_in_clean_words(value: Any) -> None:
    with pytest.raises(OutputInvalid, match="cannot be written as JSON") as refused:
        freely(value)
    assert SECRET not in refused.value.message
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: [1, it], lambda it: {"a": ({"b": it},)}])
def test_an_iterator_which_may_have_no_end_is_refused_before_it_is_drawn_from(wrap: Any) -> None:
    for declared in (Output(Any).present, freely):
        endless = itertools.count()
        with pytest.raises(OutputInvalid, match="iterator"):
            declared(wrap(endless))
        assert next(endless) == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(declared=st.sampled_from([int, bool]), value=st.integers() | st.booleans() | st.floats() | st.text(max_size=3))
def test_an_integer_or_boolean_is_sent_as_if_it_had_been_written_and_read(declared: Any, value: Any) -> None:
    told = []
    for exact in (declared, None):
        output = Output(declared)
        output._exact = exact
        try:
            told.append(repr(output.present(value)))
        except OutputInvalid as error:
            told.append(error.message)
    assert told[0] == told[1]


@settings(max_examples=150, deadline=None)
@given(value=json_values)
def test_whatever_json_could_hold_is_written_as_valid_utf_8(value: Any) -> None:
    encoded(value).decode("utf-8")
    text = Output(Any).present(value).body["content"][0]["text"]
    text.encode("utf-8")
