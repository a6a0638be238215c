"""Questions to the client: the requests as they go on the wire, and answers that are checked."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from holdfast.core.questions import (
    Elicited,
    elicited,
    flat_schema,
    form_request,
    needed_capability,
    roots_request,
    sampling_request,
    url_request,
)
from holdfast.errors import ConfigurationError, InvalidArguments


class Size(Enum):
    """How large."""

    SMALL = "small"
    LARGE = "large"


class Bare(Enum):
    RED = "red"


class Order(BaseModel):
    """What somebody orders."""

    name: str
    count: int = 1
    size: Size = Field(Size.SMALL, description="Small or large")
    color: Bare = Bare.RED
    extras: list[Literal["milk", "sugar"]] = []


class Optional(BaseModel):
    """Nothing in it is required."""

    ok: bool = True


class Nested(BaseModel):
    """A form cannot hold another."""

    order: Order


def test_a_form_is_flat_and_knows_what_is_required() -> None:
    schema = flat_schema(Order)
    assert schema["type"] == "object"
    assert schema["required"] == ["name"]
    size = {"type": "string", "enum": ["small", "large"], "title": "Size", "default": "small"}
    assert schema["properties"]["size"] == size | {"description": "Small or large"}
    assert schema["properties"]["extras"]["items"]["enum"] == ["milk", "sugar"]
    assert "$ref" not in str(schema)
    assert "required" not in flat_schema(Optional)


def test_a_form_within_a_form_is_an_error_of_the_author() -> None:
    with pytest.raises(ConfigurationError, match="order"):
        flat_schema(Nested)


def test_each_request_has_the_method_and_parameters_of_the_protocol() -> None:
    form = form_request("Your order?", Order)
    assert (form["method"], form["params"]["mode"], form["params"]["message"]) == (
        "elicitation/create",
        "form",
        "Your order?",
    )
    assert url_request("Pay", "https://pay.example", "e1")["params"] == {
        "mode": "url", "message": "Pay", "url": "https://pay.example", "elicitationId": "e1",
    }  # fmt: skip
    text = {"role": "user", "content": {"type": "text", "text": "Hi"}}
    assert sampling_request("Hi", 5)["params"] == {"messages": [text], "maxTokens": 5}
    assert sampling_request([text], 5, "Be short")["params"]["systemPrompt"] == "Be short"
    assert roots_request() == {"method": "roots/list", "params": {}}


@pytest.mark.parametrize(
    "request_, capability",
    [
        (form_request("?", Order), "elicitation"),
        (url_request("?", "https://a.example", "e"), "elicitation.url"),
        (sampling_request("?", 1), "sampling"),
        (roots_request(), "roots"),
    ],
)
def test_each_request_needs_its_capability(request_: dict[str, Any], capability: str) -> None:
    assert needed_capability(request_) == capability


def test_a_client_is_never_asked_anything_else() -> None:
    with pytest.raises(ConfigurationError, match="can be asked"):
        needed_capability({"method": "tools/call", "params": {}})


def test_an_accepted_form_is_typed() -> None:
    answer = elicited({"action": "accept", "content": {"name": "Ada", "size": "large"}}, Order)
    assert answer == Elicited("accept", Order(name="Ada", size=Size.LARGE))


@pytest.mark.parametrize(
    "action, understood", [("decline", "decline"), ("cancel", "cancel"), (None, "cancel"), (7, "cancel")]
)
def test_anything_but_accept_brings_no_data(action: Any, understood: str) -> None:
    assert elicited({"action": action, "content": {"name": "Ada"}}, Order) == Elicited(understood)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [None, {}, {"name": 7}, {"name": "Ada", "size": "canary-value"}])
def test_an_answer_that_does_not_fit_is_refused_without_repeating_it(content: Any) -> None:
    with pytest.raises(InvalidArguments) as refused:
        elicited({"action": "accept", "content": content}, Order)
    assert "canary" not in str(refused.value)


class Listing(BaseModel):
    """Lists that a form cannot show."""

    orders: list[Order] = []


class Numbers(BaseModel):
    """Numbers are no choices."""

    many: list[int] = []


class Mapped(BaseModel):
    """Neither is a dictionary."""

    more: dict[str, str] = {}


class Maybe(BaseModel):
    """Neither is a union."""

    name: str | None = None


class Choices(BaseModel):
    """Lists of choices, written in every way."""

    bare: list[Bare] = []
    sizes: list[Size] = []
    one: list[Literal["only"]] = []
    titled: list[str] = Field([], json_schema_extra={"items": {"anyOf": [{"const": "a", "title": "A"}]}})


@pytest.mark.parametrize("form, field", [(Listing, "orders"), (Numbers, "many"), (Mapped, "more"), (Maybe, "name")])
def test_what_no_form_can_show_is_an_error_of_the_author_that_names_the_field(
    form: type[BaseModel], field: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"list of choices: {field}$"):
        flat_schema(form)


def test_lists_of_choices_are_shown_without_references() -> None:
    properties = flat_schema(Choices)["properties"]
    assert "red" in str(properties["bare"]["items"])
    assert properties["sizes"]["items"]["enum"] == ["small", "large"]
    assert properties["one"]["items"]["const"] == "only"
    assert properties["titled"]["items"]["anyOf"] == [{"const": "a", "title": "A"}]
    assert "$ref" not in str(properties)


@pytest.mark.parametrize("content", ["text", ["list"], 5, {"name": "Ada", "count": "many"}])
def test_a_form_that_comes_back_as_something_else_is_refused(content: Any) -> None:
    with pytest.raises(InvalidArguments, match="answer again"):
        elicited({"action": "accept", "content": content}, Order)
