"""Alternatives that nest in each other are reckoned with before a value is held against them."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, Union

import pytest
from pydantic import BaseModel, Field

from holdfast.core.arguments import ModelArguments, ToolInput
from holdfast.core.nesting import MAX_WORK, growth
from holdfast.core.output import Output
from holdfast.core.raw import SchemaArguments
from holdfast.errors import ConfigurationError, InputTooLarge, OutputInvalid

REF = {"$ref": "#/$defs/n"}


def recursive(*alternatives: dict[str, Any], **more: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"x": REF},
        "$defs": {"n": {"anyOf": [*alternatives, {"type": "string"}]}},
    }
    return schema | more


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


TWICE = recursive(of(c=REF), of(c=REF))


class And(BaseModel):
    items: list[Expr]


class Or(BaseModel):
    items: list[Expr]


Expr = Union[And, Or, str]  # noqa: UP007 - names that come later


class Input(ToolInput):
    e: Expr


class Plus(BaseModel):
    kind: Literal["plus"]
    both: tuple[Term, Term]


class Minus(BaseModel):
    kind: Literal["minus"]
    both: tuple[Term, Term]


Term = Annotated[Plus | Minus, Field(discriminator="kind")]


class Tagged(ToolInput):
    t: Term | None
    more: tuple[Term, ...] = ()


for model in (And, Or, Input, Plus, Minus, Tagged):
    model.model_rebuild()


def chain(depth: int, key: str = "c") -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {key: [value] if key == "items" else value}
    return value


@pytest.mark.parametrize(
    "schema",
    [
        {},
        recursive(),
        recursive(of(left=REF, right=REF)),
        recursive(of(a=REF), of(b=REF)),
        recursive(of(a=REF) | {"additionalProperties": REF}),
        recursive({"type": "array", "prefixItems": [REF, REF], "items": REF}),
        recursive({"type": "array", "items": REF}, of(c=REF)),
        recursive({"anyOf": [of(c=REF), {"required": ["c"]}]}),
        Tagged.model_json_schema(),
        {"properties": {"meta": {"$ref": "https://json-schema.org/draft/2020-12/schema"}, "x": True}},
    ],
    ids=lambda schema: str(schema)[-60:],
)
def test_a_common_schema_costs_nothing(schema: dict[str, Any]) -> None:
    assert growth(schema, tagged=True) is None


@pytest.mark.parametrize(
    "schema",
    [
        TWICE,
        recursive(of(c=REF), {"additionalProperties": REF}),
        recursive(of(c=REF), {"patternProperties": {"^c": REF}}),
        recursive({"type": "array", "items": REF, "contains": REF}),
        recursive({"items": REF}, {"prefixItems": [REF]}),
        recursive({"items": [REF]}, {"additionalItems": REF, "items": {"anyOf": [REF, {"not": REF}]}}),
        recursive(of(c={"allOf": [REF, REF]})),
        recursive(of(c=REF), {"if": of(c=REF), "then": False}),
        {"properties": {"default": REF}, "$defs": {"n": {"anyOf": [of(enum=REF), of(enum=REF)]}}},
        Input.model_json_schema(),
    ],
    ids=lambda schema: str(schema)[-60:],
)
def test_alternatives_that_nest_in_each_other_are_found(schema: dict[str, Any]) -> None:
    found = growth(schema)
    assert found is not None
    assert found.fits("text")
    assert found.looks[-1] > 10_000


def test_tagged_alternatives_count_as_one_for_pydantic_alone() -> None:
    assert growth(Tagged.model_json_schema()) is not None
    mixed = {"$defs": {"n": {"anyOf": [{"oneOf": [of(c=REF)], "discriminator": {}}, of(c=REF)]}}, **REF}
    assert growth(mixed, tagged=True) is not None


def test_a_schema_that_holds_itself_against_the_same_value_is_refused() -> None:
    for again in ({"anyOf": [REF, {"not": REF}]}, REF):
        with pytest.raises(ConfigurationError, match="without end"):
            growth({"$defs": {"n": again}, **REF})


def test_a_schema_that_is_too_entangled_is_refused() -> None:
    wide = {"anyOf": [of(**{f"p{n}": {"not": {}} for n in range(500)}), of(c={"items": {"$ref": "#/$defs/w"}})]}
    with pytest.raises(ConfigurationError, match="entangled"):
        growth({"properties": {f"q{n}": {"anyOf": [{"$ref": "#/$defs/w"}]} for n in range(500)}, "$defs": {"w": wide}})


@pytest.mark.parametrize("schema", [TWICE, TWICE | {"$id": "https://example.com/own"}], ids=["plain", "with an id"])
def test_a_deep_value_is_refused_before_a_schemas_alternatives_multiply_it(schema: dict[str, Any]) -> None:
    arguments = SchemaArguments(schema)
    assert arguments.check({"x": {"c": {"c": "d"}}}, None)
    began = time.perf_counter()
    with pytest.raises(InputTooLarge, match="nested"):
        arguments.check({"x": chain(60)}, None)
    assert time.perf_counter() - began < 1


def test_a_deep_value_is_refused_before_a_models_alternatives_multiply_it() -> None:
    arguments = ModelArguments(Input)
    assert arguments.check({"e": {"items": [{"items": ["x"]}, "y"]}}, None).e
    began = time.perf_counter()
    with pytest.raises(InputTooLarge, match="nested"):
        arguments.check({"e": chain(30, "items")}, None)
    wide = {"e": {"items": [{"items": ["x"] * 200}] * 200}}
    with pytest.raises(InputTooLarge):
        arguments.check(wide | {"e": {"items": [wide["e"]]}}, None)
    assert time.perf_counter() - began < 1


def test_tagged_models_may_nest_as_deep_as_any() -> None:
    def term(depth: int) -> Any:
        return {"kind": "plus", "both": [term(depth - 1), None]} if depth else None

    with pytest.raises(Exception, match="both"):
        ModelArguments(Tagged).check({"t": term(20)}, None)


def test_an_answer_whose_alternatives_multiply_is_a_fault_of_the_server() -> None:
    output = Output(Expr)
    assert output.present(And(items=["x"])).body["structuredContent"]
    deep: Any = "x"
    for _ in range(30):
        deep = Or.model_construct(items=[deep])
    began = time.perf_counter()
    with pytest.raises(OutputInvalid, match="nested"):
        output.present(deep)
    assert time.perf_counter() - began < 1


def test_the_bound_is_one_that_common_values_stay_far_below() -> None:
    found = growth(TWICE)
    assert found is not None
    assert found.fits({"x": [1] * (MAX_WORK // 4)})
    assert not found.fits([1] * (MAX_WORK + 1))
