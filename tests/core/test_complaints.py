"""Complaints: which argument does not fit and what it takes, in words that an agent can act on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, ValidationError

from holdfast.core.arguments import ModelArguments, ToolInput
from holdfast.core.complaints import MAX_EXPLAINED, MAX_NAMED, explain, refusal, spelled
from holdfast.errors import InvalidArguments

CANARY = "canaryvalue"


class Address(BaseModel):
    street: str
    number: Annotated[int, Field(ge=1)]


@dataclass
class Job:
    title: str


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Person(ToolInput):
    name: Annotated[str, Field(min_length=2, max_length=20)]
    address: Address | None = None
    others: list[Address] = Field(default_factory=list)
    couple: tuple[int, str] = (1, "a")
    by_name: dict[str, Address] = Field(default_factory=dict)
    by_id: dict[UUID, int] = Field(default_factory=dict)
    plain_keys: dict[int, int] = Field(default_factory=dict)
    job: Job | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    mixed: list[int] | dict[str, int] | None = None


@pytest.mark.parametrize(
    "sent, told",
    [
        ({}, "name is required: takes a string of 2 to 20 characters"),
        ({"name": 5}, "name takes a string of 2 to 20 characters"),
        ({"name": "Ada", "address": {"street": "S"}}, "address.number is required: takes an integer of at least 1"),
        ({"name": "Ada", "address": {"street": "S", "number": 0}}, "address.number takes an integer of at least 1"),
        ({"name": "Ada", "address": 5}, "address takes an object or null"),
        (
            {"name": "Ada", "others": [{"street": "S", "number": 1}, {"street": 2, "number": 1}]},
            "others[1].street takes a string",
        ),
        ({"name": "Ada", "couple": [1, 2]}, "couple[1] takes a string"),
        ({"name": "Ada", "couple": [1]}, "couple[1] is required: takes a string"),
        ({"name": "Ada", "couple": 1}, "couple takes a list of exactly 2 items"),
        (
            {"name": "Ada", "by_name": {CANARY: {"street": "S"}}},
            "by_name.number is required: takes an integer of at least 1",
        ),
        ({"name": "Ada", "by_id": {CANARY: 1}}, "a name in by_id takes a string in uuid form"),
        ({"name": "Ada", "plain_keys": {CANARY: 1}}, "a name in plain_keys takes another form"),
        ({"name": "Ada", "job": {}}, "job.title is required: takes a string"),
        ({"name": "Ada", "job": {"title": "x", CANARY: 1}}, "an argument in job is unknown: it takes title"),
        ({"name": "Ada", "pet": {"kind": "cat", "lives": "9"}}, "pet.lives takes an integer"),
        ({"name": "Ada", "mixed": ["x"]}, "mixed[0] takes an integer; mixed takes a list or an object or null"),
        ({"name": "Ada", CANARY: 1}, "an argument is unknown: it takes " + ", ".join(Person.model_fields)),
    ],
)
def test_a_complaint_names_the_place_and_what_it_takes(sent: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        ModelArguments(Person).check(sent, None)
    assert caught.value.message == told


def test_a_complaint_about_all_the_arguments_says_so() -> None:
    assert explain([{"type": "model_type", "loc": ()}], {"type": "object"}) == "the arguments take an object"


def test_only_a_few_of_many_complaints_are_told_and_the_rest_is_counted() -> None:
    class Many(ToolInput):
        items: list[int]

    with pytest.raises(InvalidArguments) as caught:
        ModelArguments(Many).check({"items": ["x"] * 12}, None)
    assert caught.value.message.count("takes an integer") == MAX_NAMED
    assert caught.value.message.endswith("; and 7 more")


def test_faults_past_the_bound_are_not_looked_at_one_by_one() -> None:
    class Two(ToolInput):
        items: list[int]
        other: str | None = None

    with pytest.raises(ValidationError) as caught:
        Two.model_validate({"items": ["x"] * (MAX_EXPLAINED + 1)})
    told = refusal(caught.value, Two.model_json_schema()).message
    assert told == f"more than {MAX_EXPLAINED} values do not fit: items takes a list; other takes a string or null"


def test_names_that_the_schema_does_not_hold_are_left_out_of_a_path() -> None:
    assert spelled(("a", CANARY, 3, "b"), frozenset("ab")) == "a[3].b"
    assert spelled((CANARY,), frozenset()) == "the arguments"


def test_a_caller_cannot_have_a_key_named_by_calling_it_like_an_argument_elsewhere() -> None:
    with pytest.raises(InvalidArguments) as caught:
        ModelArguments(Person).check({"name": "Ada", "address": {"street": "S", "number": 1, CANARY: "S"}}, None)
    assert caught.value.message == "an argument in address is unknown: it takes street, number"


def test_the_same_complaint_is_told_once() -> None:
    item = {"type": "int_type", "loc": ("count",)}
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    assert explain([item, item], schema) == "count takes an integer"
