"""Dependencies: called once per call, finished whatever happens, and planned when the tool is built."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from holdfast.core.context import Context
from holdfast.core.function import FunctionTool
from holdfast.core.inject import MAX_NESTING, Depends, label, plan
from holdfast.errors import ConfigurationError

LOG: list[str] = []


@pytest.fixture(autouse=True)
def _fresh_log() -> None:
    LOG.clear()


async def run(tool: FunctionTool, work: Callable[[], Any] | None = None) -> Any:
    async with AsyncExitStack() as stack:
        args = tool.arguments.check({}, None)
        given = await tool.prepare(args, "the context", stack)  # type: ignore[arg-type]
        if work is not None:
            return await work()
        return tool.run(args, "the context", **given)


def number() -> int:
    LOG.append("number")
    return 7


async def number_later() -> int:
    await asyncio.sleep(0)
    return 8


def opened() -> Iterator[str]:
    LOG.append("open")
    try:
        yield "thing"
    except BaseException as error:
        LOG.append(type(error).__name__)
        raise
    finally:
        LOG.append("close")


async def opened_later() -> AsyncIterator[str]:
    LOG.append("open later")
    try:
        yield "thing"
    except BaseException as error:
        LOG.append(type(error).__name__)
        raise
    finally:
        LOG.append("close later")


def swallowing() -> Iterator[int]:
    try:
        yield 1
    except ValueError:
        LOG.append("swallowed")


async def swallowing_later() -> AsyncIterator[int]:
    try:
        yield 1
    except ValueError:
        LOG.append("swallowed")


def uses(one: Annotated[int, Depends(number)], other: int = Depends(number_later)) -> int:  # type: ignore[assignment]
    return one + other


async def test_dependencies_are_marked_by_annotation_or_by_default_and_no_caller_sees_them() -> None:
    tool = FunctionTool(uses)
    assert tool.arguments.schema["properties"] == {}
    assert await run(tool) == 15


def base(ctx: Context, n: Annotated[int, Depends(number)]) -> tuple[Any, int]:
    return ctx, n


def above(
    b: Annotated[Any, Depends(base)], n: Annotated[int, Depends(number)], again: Annotated[Any, Depends(base)]
) -> Any:
    return b is again, b, n


async def test_a_provider_is_called_once_per_call_however_many_ask_for_it() -> None:
    tool = FunctionTool(above)
    assert await run(tool) == (True, ("the context", 7), 7)
    assert LOG == ["number"]
    await run(tool)
    assert LOG == ["number", "number"]


def both(a: Annotated[str, Depends(opened)], b: Annotated[str, Depends(opened_later)]) -> str:
    LOG.append("work")
    return a + b


async def test_generators_are_finished_in_reverse_after_success() -> None:
    assert await run(FunctionTool(both)) == "thingthing"
    assert LOG == ["open", "open later", "work", "close later", "close"]


async def test_generators_hear_of_a_failure_and_are_finished() -> None:
    async def fail() -> None:
        raise ValueError("the tool's own")

    with pytest.raises(ValueError, match="the tool's own"):
        await run(FunctionTool(both), fail)
    assert LOG == ["open", "open later", "ValueError", "close later", "ValueError", "close"]


async def test_generators_are_finished_when_the_call_is_cancelled() -> None:
    started = asyncio.Event()

    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run(FunctionTool(both), hang))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert LOG == ["open", "open later", "CancelledError", "close later", "CancelledError", "close"]


def after(a: Annotated[str, Depends(opened)], b: Annotated[Any, Depends(lambda: 1 / 0)]) -> str:
    raise AssertionError


async def test_what_was_opened_is_closed_when_a_later_provider_fails() -> None:
    with pytest.raises(ZeroDivisionError):
        await run(FunctionTool(after))
    assert LOG == ["open", "ZeroDivisionError", "close"]


@pytest.mark.parametrize("provide", [swallowing, swallowing_later])
async def test_a_provider_that_swallows_a_failure_does_not_make_the_call_a_success(provide: Any) -> None:
    def tool(value: Any = Depends(provide)) -> None:  # noqa: B008 - as authors write it
        raise AssertionError

    async def fail() -> None:
        raise ValueError("the tool's own")

    with pytest.raises(ValueError, match="the tool's own"):
        await run(FunctionTool(tool), fail)
    assert LOG == ["swallowed"]


class Pool:
    def __init__(self, ctx: Context, n: Annotated[int, Depends(number)], size: int = 3) -> None:
        self.facts = (ctx, n, size)

    def __call__(self, n: Annotated[int, Depends(number)]) -> int:
        return n + 100


class Maker:
    def make(self, n: Annotated[int, Depends(number)]) -> int:
        return n + 1


@pytest.mark.parametrize(
    "provide, value",
    [
        (Maker().make, 8),
        (Pool("ctx", 0), 107),  # type: ignore[arg-type]
        (functools.partial(Maker().make), 8),
        (functools.partial(number), 7),
    ],
    ids=["method", "object", "partial", "bare partial"],
)
async def test_a_provider_may_be_whatever_can_be_called(provide: Any, value: int) -> None:
    def tool(value: Any = Depends(provide)) -> Any:  # noqa: B008 - as authors write it
        return value

    assert await run(FunctionTool(tool)) == value


async def test_a_class_is_a_provider_of_its_instances() -> None:
    def tool(pool: Any = Depends(Pool)) -> Any:  # noqa: B008 - as authors write it
        return pool.facts

    assert await run(FunctionTool(tool)) == ("the context", 7, 3)


# -- planned wrongly -------------------------------------------------------------------------------------------------


def unprovided(path: str) -> int:
    return 1


def unknown_hint(value: Missing = None) -> int:  # type: ignore[name-defined]  # noqa: F821 - that is the fault
    return 1


def chicken(egg: Annotated[int, Depends("egg")]) -> int:  # type: ignore[arg-type]
    return egg


@dataclass
class Unhashable:
    n: int = 1

    def __call__(self) -> int:
        return self.n


@pytest.mark.parametrize(
    "provide, told",
    [
        (unprovided, "unprovided has a parameter that nothing provides: path"),
        (functools.partial(unprovided), "unprovided has a parameter that nothing provides: path"),
        (lambda *args: 1, "a parameter that nothing provides: args"),
        (unknown_hint, "unknown_hint: a type hint cannot be resolved"),
        (dict, "dict is not a function whose parameters can be read"),
        (5, "int is not a function"),
        (Unhashable(), "Unhashable is not a function"),
        (chicken, "str is not a function"),
    ],
    ids=["text", "partial", "args", "hint", "builtin", "number", "unhashable", "nested"],
)
def test_a_provider_that_cannot_be_called_is_refused_when_the_tool_is_built(provide: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        plan(Depends(provide))


def test_a_cycle_of_dependencies_is_refused_when_the_tool_is_built() -> None:
    def one(value: Any = None) -> int:
        return 1

    def other(value: Any = Depends(one)) -> int:  # noqa: B008 - as authors write it
        return 1

    one.__defaults__ = (Depends(other),)
    with pytest.raises(ConfigurationError, match=f"deeper than {MAX_NESTING}: is there a cycle"):
        plan(Depends(one))


def test_what_can_be_called_has_a_label_for_messages() -> None:
    assert label(functools.partial(functools.partial(number))) == "number"
    assert label(Maker().make) == "Maker.make"
    assert label(Unhashable()) == "Unhashable"
