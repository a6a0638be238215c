"""The registry: what a server offers, by name, each name with one owner."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from holdfast.core import registry as module
from holdfast.core.completion import Completion
from holdfast.core.function import FunctionTool
from holdfast.core.operation import Operation
from holdfast.core.prompt import Prompt
from holdfast.core.registry import Registry, owner
from holdfast.core.resource import Resource
from holdfast.core.tool import Tool
from holdfast.errors import ConfigurationError, DuplicateName


def greet() -> str:
    return "hi"


def other() -> str:
    return "ho"


def suggest(value: str) -> list[str]:
    return []


class Greet(Tool):
    async def run(self, args: Any, ctx: Any) -> str:
        return ""


def full() -> Registry:
    registry = Registry()
    for operation in (
        FunctionTool(greet),
        Resource("x://y", greet),
        Prompt(greet),
        Completion("greet", "name", suggest),
    ):
        registry.add(operation)
    return registry


def test_each_kind_has_names_of_its_own() -> None:
    registry = full()
    assert [operation.kind for operation in registry] == ["tool", "resource", "prompt", "completion"]
    assert "greet" in registry
    assert "x://y" in registry
    assert "nothing" not in registry
    assert repr(registry) == "<Registry 1 tools, 1 resources, 1 prompts>"


@pytest.mark.parametrize(
    "first, second, called",
    [
        (FunctionTool(greet), FunctionTool(other, name="greet"), "two tools are called greet"),
        (FunctionTool(greet), Greet(), "two tools are called greet"),
        (Resource("x://y", greet), Resource("x://y", other), "two resources are called x://y"),
        (Prompt(greet), Prompt(other, name="greet"), "two prompts are called greet"),
        (
            Completion("p", "a", suggest),
            Completion("p", "a", suggest),
            "two completions are called p a",
        ),
    ],
)
def test_two_owners_of_one_name_are_both_named_with_the_remedy(
    first: Operation, second: Operation, called: str
) -> None:
    registry = Registry()
    registry.add(first)
    with pytest.raises(DuplicateName) as refused:
        registry.add(second)
    message = str(refused.value)
    assert message.startswith(f"{called}: {owner(first)} and {owner(second)}; ")
    assert message.endswith("rename one, or mount it under a namespace")


def test_an_owner_is_named_by_where_it_was_written() -> None:
    assert owner(FunctionTool(greet)).endswith("test_registry.greet")
    assert owner(Greet()).endswith("test_registry.Greet.run")
    assert owner(FunctionTool(functools.partial(greet), name="preset")).endswith("preset")


def test_something_else_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="takes tools, resources and prompts"):
        Registry().add(object())  # type: ignore[arg-type]


def test_a_registry_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 1)
    registry = Registry()
    registry.add(FunctionTool(greet))
    with pytest.raises(ConfigurationError, match="at most 1 tools"):
        registry.add(FunctionTool(other))


@pytest.mark.parametrize(
    "kind, name", [("tool", "greet"), ("resource", "x://y"), ("prompt", "greet"), ("completion", "greet name")]
)
def test_what_was_taken_away_can_be_added_again(kind: str, name: str) -> None:
    registry = full()
    gone = next(operation for operation in registry if operation.kind == kind)
    registry.remove(kind, name)
    assert gone not in list(registry)
    registry.add(gone)
    assert gone in list(registry)


def test_taking_away_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="there is no prompt called nothing"):
        full().remove("prompt", "nothing")


def test_what_was_just_added_can_be_withdrawn() -> None:
    registry = full()
    for operation in list(registry):
        registry.withdraw(operation)
    assert list(registry) == []
    registry.withdraw(FunctionTool(greet))
