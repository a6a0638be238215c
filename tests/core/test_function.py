"""Functions as operations: whatever an author may decorate works, or is refused with words that help."""

from __future__ import annotations

import functools
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest
from pydantic import BaseModel, Field

from holdfast.core.context import Context, current_context
from holdfast.core.function import FunctionTool, UnguardedParameter, call_detached, read_signature
from holdfast.core.inject import Depends
from holdfast.core.limits import Limits
from holdfast.errors import ConfigurationError, InvalidArguments
from holdfast.safe.paths import ReadPath

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheTypeChecker


class Point(BaseModel):
    x: int
    y: int


async def call(tool: FunctionTool, sent: dict[str, Any], ctx: Any = None) -> Any:
    """Validate, provide and run, as the chain does."""
    args = tool.arguments.check(sent, None)
    async with AsyncExitStack() as stack:
        given = await tool.prepare(args, ctx, stack)
        outcome = tool.run(args, ctx, **given)
        return await outcome if tool.where() == "inline" else outcome


# -- names and hints -------------------------------------------------------------------------------------------------


def awkward(
    schema: int, copy: str, model_config: int, self_: int, json: int = 1, arg_x: int = 2, _y: int = 3, cls: int = 4
) -> list[Any]:
    """Parameters whose names pydantic uses itself."""
    return [schema, copy, model_config, self_, json, arg_x, _y, cls]


async def test_parameters_may_have_any_name() -> None:
    tool = FunctionTool(awkward)
    assert list(tool.arguments.schema["properties"]) == [
        "schema", "copy", "model_config", "self_", "json", "arg_x", "_y", "cls",
    ]  # fmt: skip
    sent = {"schema": 1, "copy": "c", "model_config": 2, "self_": 3, "arg_x": 9, "_y": 8}
    assert await call(tool, sent) == [1, "c", 2, 3, 1, 9, 8, 4]


@pytest.mark.parametrize("name", ["arg_schema", "arg_copy", "y"])
def test_the_names_of_the_model_behind_are_no_arguments(name: str) -> None:
    with pytest.raises(InvalidArguments):
        FunctionTool(awkward).arguments.check({"schema": 1, "copy": "c", "model_config": 2, "self_": 3, name: 1}, None)


def described(
    count: Annotated[int, Field(ge=1, description="How many")],
    size: int = Field(3, le=5, description="How large"),
    point: Point = Point(x=1, y=2),  # noqa: B008 - a frozen default as authors write it
) -> int:
    """Fields."""
    return count


def test_annotated_and_default_fields_are_in_the_schema() -> None:
    properties = FunctionTool(described).arguments.schema["properties"]
    assert properties["count"] == {"type": "integer", "minimum": 1, "description": "How many"}
    assert properties["size"] == {"type": "integer", "maximum": 5, "default": 3, "description": "How large"}
    assert properties["point"]["default"] == {"x": 1, "y": 2}
    assert FunctionTool(described).arguments.schema["required"] == ["count"]


def without_hints(a, b=2):  # type: ignore[no-untyped-def]
    return a


async def test_a_parameter_without_a_hint_takes_anything() -> None:
    assert await call(FunctionTool(without_hints), {"a": {"x": [1]}}) == {"x": [1]}


@pytest.mark.parametrize(
    "function",
    [lambda *args: 1, lambda **more: 1, lambda a, /: 1],
    ids=["args", "kwargs", "positional"],
)
def test_parameters_that_no_caller_could_fill_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="have no schema"):
        FunctionTool(function, name="tool")


def hidden(value: OnlyForTheTypeChecker) -> int:
    return 1


def hidden_answer() -> OnlyForTheTypeChecker:
    raise AssertionError


class Opaque:
    """No schema can be made of it."""


def opaque(value: Opaque) -> int:
    return 1


def takes_function(value: Callable[[], int]) -> int:
    return 1


def late(value: NotYet) -> int:  # type: ignore[name-defined]  # noqa: F821 - that is the fault
    return 1


class Unfinished(BaseModel):
    inner: NeverDefined  # type: ignore[name-defined]  # noqa: F821 - that is the fault


def unfinished(value: Unfinished) -> int:
    return 1


def two_contexts(one: Context, other: Context) -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    "function, told",
    [
        (hidden, "hidden: a type hint cannot be resolved"),
        (hidden_answer, "hidden_answer: a type hint cannot be resolved"),
        (late, "late: a type hint cannot be resolved"),
        (opaque, "opaque: a parameter's type has no schema"),
        (takes_function, "an argument's type has no schema"),
        (unfinished, "has no schema"),
        (two_contexts, "two_contexts: a call has one context"),
        (generator, "generator: a generator has no one answer"),
        (async_generator, "async_generator: a generator has no one answer"),
        (Point, "give a Tool class to server.add"),
        (5, "takes a function"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_with_the_reason(function: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        FunctionTool(function)


def test_hints_that_are_text_are_resolved_where_the_function_was_written() -> None:
    assert read_signature(described).returns is int


# -- the context -----------------------------------------------------------------------------------------------------


def first(ctx: Context, a: int) -> Any:
    return ctx, a


def last(a: int, ctx: Context) -> Any:
    return ctx, a


def keyword(a: int, *, ctx: Context) -> Any:
    return ctx, a


def optional(a: int, ctx: Context | None = None) -> Any:
    return ctx, a


def old_optional(a: int, ctx: Optional[Context] = None) -> Any:  # noqa: UP045 - as older code writes it
    return ctx, a


def annotated(a: int, ctx: Annotated[Context, "the call"]) -> Any:
    return ctx, a


@pytest.mark.parametrize("function", [first, last, keyword, optional, old_optional, annotated])
async def test_the_context_may_stand_anywhere_and_no_caller_can_send_it(function: Callable[..., Any]) -> None:
    tool = FunctionTool(function)
    context = object()
    assert list(tool.arguments.schema["properties"]) == ["a"]
    assert await call(tool, {"a": 1}, context) == (context, 1)
    with pytest.raises(InvalidArguments):
        tool.arguments.check({"a": 1, "ctx": {}}, None)


async def async_with_context(a: int, ctx: Context) -> Any:
    return ctx, a


async def test_an_async_function_gets_it_too_and_runs_inline() -> None:
    tool = FunctionTool(async_with_context)
    assert tool.where() == "inline"
    assert await call(tool, {"a": 1}, "context") == ("context", 1)


# -- callables of every kind -----------------------------------------------------------------------------------------


class Counter:
    """Counts calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int) -> int:
        self.calls += step
        return self.calls

    def method(self, step: int) -> int:
        """A method."""
        return self(step)

    async def later(self, step: int) -> int:
        return self(step)


class AsyncCounter:
    async def __call__(self, step: int) -> int:
        return step


def add(a: int, b: int, *, c: int = 3) -> int:
    """Add."""
    return a + b + c


async def add_later(a: int, b: int) -> int:
    return a + b


@functools.lru_cache
def cached(a: int) -> int:
    """Cached."""
    return a


@pytest.mark.parametrize(
    "function, sent, answer, where",
    [
        (Counter(), {"step": 2}, 2, "thread"),
        (Counter().method, {"step": 2}, 2, "thread"),
        (Counter().later, {"step": 2}, 2, "inline"),
        (AsyncCounter(), {"step": 2}, 2, "inline"),
        (functools.partial(add, 1), {"b": 2}, 6, "thread"),
        (functools.partial(functools.partial(add, 1), b=5, c=0), {}, 6, "thread"),
        (functools.partial(add_later, 1), {"b": 2}, 3, "inline"),
        (functools.partial(AsyncCounter()), {"step": 1}, 1, "inline"),
        (cached, {"a": 5}, 5, "thread"),
    ],
    ids=["object", "method", "async method", "async object", "partial", "nested", "async partial", "both", "cached"],
)
async def test_whatever_can_be_called_can_be_a_tool(
    function: Callable[..., Any], sent: dict[str, Any], answer: int, where: str
) -> None:
    tool = FunctionTool(function, name="tool")
    assert tool.where() == where
    assert await call(tool, sent) == answer


def test_what_a_partial_has_bound_by_name_cannot_be_sent() -> None:
    tool = FunctionTool(functools.partial(add, b=2), name="add")
    assert list(tool.arguments.schema["properties"]) == ["a", "c"]
    with pytest.raises(InvalidArguments):
        tool.arguments.check({"a": 1, "b": 40}, None)


def test_a_nameless_callable_needs_a_name() -> None:
    for function in (functools.partial(add, 1), Counter(), lambda: 1):
        with pytest.raises(ConfigurationError, match="a tool's name"):
            FunctionTool(function)


def test_the_description_is_the_authors_and_never_that_of_the_wrapping() -> None:
    assert FunctionTool(functools.partial(add, 1), name="a").description == "Add."
    assert FunctionTool(Counter(), name="a").description == "Counts calls."
    assert FunctionTool(Counter().method).description == "A method."
    assert FunctionTool(AsyncCounter(), name="a").description is None
    assert FunctionTool(add, description="Other").description == "Other"


# -- the decorator's facts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", ["ttl", "where", "prepare", "listing", "kind", "run", "arguments", "__class__", "no"])
def test_an_unknown_fact_is_refused_also_when_the_class_has_something_of_that_name(fact: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown argument of the decorator: {fact}"):
        FunctionTool(add, **{fact: 1})


def test_facts_that_are_left_out_or_none_keep_their_defaults() -> None:
    tool = FunctionTool(add, name=None, limits=None, read_only=True, scopes=["a", "b"], title="Add")
    assert (tool.name, tool.limits, tool.read_only, tool.title) == ("add", Limits(), True, "Add")
    assert tool.scopes == {"a", "b"}


def test_one_scope_may_be_written_as_text() -> None:
    assert FunctionTool(add, scopes="admin").scopes == {"admin"}


@pytest.mark.parametrize("facts", [{"isolation": "proces"}, {"limits": 5}, {"limits": {"timeout": 5}}])
def test_a_fact_that_makes_no_sense_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        FunctionTool(add, **facts)


# -- unguarded text --------------------------------------------------------------------------------------------------


def plain_path(path: str) -> int:
    return 1


def annotated_url(url: Annotated[str, Field(description="Where")]) -> int:
    return 1


def optional_sql(sql: str | None = None) -> int:
    return 1


def bare_command(command) -> int:  # type: ignore[no-untyped-def]
    return 1


@pytest.mark.parametrize("function", [plain_path, annotated_url, optional_sql, bare_command])
def test_a_plain_text_that_is_called_like_something_dangerous_is_warned_of(function: Callable[..., Any]) -> None:
    with pytest.warns(UnguardedParameter, match=rf"{function.__name__}\(.*instead"):
        FunctionTool(function)


def guarded(path: ReadPath, url: int, name: str) -> int:
    return 1


def test_guarded_and_other_arguments_are_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FunctionTool(guarded)


# -- a schema of the author's own ------------------------------------------------------------------------------------


def whole(args: dict[str, Any]) -> Any:
    return args


OWN = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def test_with_a_schema_of_its_own_a_function_gets_all_arguments_as_one() -> None:
    tool = FunctionTool(whole, schema=OWN)
    assert tool.arguments.schema == OWN
    assert await call(tool, {"n": 1, "more": [2]}) == {"n": 1, "more": [2]}
    with pytest.raises(InvalidArguments, match="n is required"):
        tool.arguments.check({}, None)


def test_such_a_function_takes_exactly_one_argument() -> None:
    with pytest.raises(ConfigurationError, match="one argument"):
        FunctionTool(add, schema=OWN)


# -- in another process ----------------------------------------------------------------------------------------------


def with_dependency(a: int, db: Any = Depends(lambda: 1)) -> int:  # noqa: B008 - as authors write it
    return a


def test_the_work_of_a_process_is_a_function_and_its_values() -> None:
    tool = FunctionTool(add)
    function, arguments = tool.detached(tool.arguments.check({"a": 1, "b": 2}, None))
    assert (function, arguments) == (call_detached, (add, {"a": 1, "b": 2, "c": 3}, None))
    assert function(*arguments) == 6


def test_the_work_of_a_process_gets_the_context_that_is_there() -> None:
    tool = FunctionTool(last)
    function, arguments = tool.detached(tool.arguments.check({"a": 1}, None))
    assert arguments == (last, {"a": 1}, tool.signature.context)
    there: Any = object()
    token = current_context.set(there)
    try:
        assert function(*arguments) == (there, 1)
    finally:
        current_context.reset(token)


def test_a_function_whose_dependencies_are_made_by_the_server_cannot_leave_it() -> None:
    with pytest.raises(ConfigurationError, match="dependencies are made in the server's process"):
        FunctionTool(with_dependency, isolation="process").where()
