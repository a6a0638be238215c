"""Mounting: an operation under its parent's namespace, however deep, with its completions."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.completion import Completion
from holdfast.core.function import FunctionTool
from holdfast.core.mounting import mounted
from holdfast.core.operation import Operation
from holdfast.core.prompt import Prompt
from holdfast.core.resource import Resource
from holdfast.core.tool import Tool
from holdfast.errors import ConfigurationError


def greet() -> str:
    """Greet."""
    return "hi"


async def greet_later(name: str) -> str:
    return f"hi {name}"


def user_note(user: str) -> str:
    return user


def suggest(value: str) -> list[str]:
    return []


class Counting(Tool):
    async def run(self, args: Any, ctx: Any) -> str:
        return ""


def name_of(operation: Operation) -> str:
    return operation.uri if isinstance(operation, Resource) else operation.name


@pytest.mark.parametrize(
    "operation, name",
    [
        (FunctionTool(greet), "team_greet"),
        (Counting(), "team_counting"),
        (Prompt(greet), "team_greet"),
        (Resource("note://all", greet), "note://team/all"),
        (Resource("note://{user}", user_note), "note://team/{user}"),
        (Resource("urn:note:{user}", user_note), "team:urn:note:{user}"),
        (Completion("greet", "name", suggest), "team_greet name"),
        (Completion("note://{user}", "user", suggest), "note://team/{user} user"),
        (Completion("urn:note:{user}", "user", suggest), "team:urn:note:{user} user"),
    ],
)
def test_each_kind_gets_the_namespace_in_its_own_way(operation: Operation, name: str) -> None:
    before = name_of(operation)
    twin = mounted(operation, "team")
    assert name_of(twin) == name
    assert type(twin) is type(operation)
    assert name_of(operation) == before


@pytest.mark.parametrize("template", ["note://{user}", "urn:note:{user}"])
def test_a_template_and_its_completion_keep_together(template: str) -> None:
    resource = mounted(Resource(template, user_note), "team")
    completion = mounted(Completion(template, "user", suggest), "team")
    assert isinstance(resource, Resource)
    assert completion.name == f"{resource.uri} user"


def test_mounting_nests() -> None:
    assert mounted(mounted(FunctionTool(greet), "inner"), "outer").name == "outer_inner_greet"
    resource = mounted(mounted(Resource("note://{user}", user_note), "inner"), "outer")
    assert isinstance(resource, Resource)
    assert resource.match("note://outer/inner/ada") == {"user": "ada"}


async def test_a_mounted_tool_works_like_the_one_it_was_made_of() -> None:
    twin = mounted(FunctionTool(greet_later), "team")
    args = twin.arguments.check({"name": "Ada"}, None)
    assert await twin.run(args, None) == "hi Ada"
    assert twin.where() == "inline"
    assert twin.listing()["name"] == "team_greet_later"


def test_a_name_that_grows_too_long_is_refused() -> None:
    long = FunctionTool(greet, name="x" * 60)
    assert mounted(long, "abc").name == "abc_" + "x" * 60
    with pytest.raises(ConfigurationError, match="1 to 64"):
        mounted(long, "abcd")
    assert mounted(Prompt(greet, name="x" * 60), "abcd").name == "abcd_" + "x" * 60


@pytest.mark.parametrize("namespace", ["", "a_b", "a b", "a/b", "é", "x" * 33, "a\n", "../a"])
def test_a_namespace_has_letters_digits_and_hyphens(namespace: str) -> None:
    with pytest.raises(ConfigurationError, match="a namespace has"):
        mounted(FunctionTool(greet), namespace)
