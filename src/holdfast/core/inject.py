"""Dependencies of tools: values that the server provides and that no caller sees or sends."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from holdfast.core.context import Context
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NESTING = 16
"""Dependencies of dependencies of ...; deeper is a cycle."""


@dataclass(frozen=True, slots=True)
class Depends:
    """Marks a parameter that ``provide`` fills: ``db: Annotated[Pool, Depends(get_pool)]`` or ``db=Depends(get_pool)``.

    ``provide`` may be a function, a coroutine function, or a generator (its code after ``yield`` runs when the call
    ends). It may take a ``Context`` and further dependencies. It is called once per call, however many ask for it.
    """

    provide: Callable[..., Any]


def marker(annotation: Any, default: Any) -> Depends | None:
    """The ``Depends`` of a parameter, if it has one."""
    if isinstance(default, Depends):
        return default
    if get_origin(annotation) is Annotated:
        return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Depends)), None)
    return None


def is_context(annotation: Any) -> bool:
    """Whether a parameter takes the ``Context``, also as ``Context | None`` or ``Annotated``."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return any(is_context(item) for item in get_args(annotation))
    return annotation is Context


def label(function: Any) -> str:
    """What a message to its author calls a function, a partial or an object that can be called."""
    while isinstance(function, partial):
        function = function.func
    name: str = getattr(function, "__qualname__", type(function).__name__)
    return name


def hints_of(function: Any) -> dict[str, Any]:
    """The resolved type hints of whatever can be called. Raises ``ConfigurationError`` for one that names nothing."""
    read = function
    while isinstance(read, partial):
        read = read.func
    if not inspect.isroutine(read):
        read = read.__init__ if inspect.isclass(read) else type(read).__call__
    try:
        return get_type_hints(read, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(f"{label(function)}: a type hint cannot be resolved: {error}") from None


@dataclass(frozen=True, slots=True)
class Plan:
    """How one provider is called: its parameters that are contexts, and those that are dependencies."""

    provide: Callable[..., Any]
    contexts: tuple[str, ...]
    needs: Mapping[str, Plan]


def plan(depends: Depends, depth: int = 0) -> Plan:
    """Read a provider's signature once, when the tool is built. Raises ``ConfigurationError``."""
    if depth > MAX_NESTING:
        raise ConfigurationError(f"dependencies are nested deeper than {MAX_NESTING}: is there a cycle?")
    hints = hints_of(depends.provide)
    contexts: list[str] = []
    needs: dict[str, Plan] = {}
    for name, parameter in _parameters(depends.provide).items():
        inner = marker(hints.get(name), parameter.default)
        if inner is not None:
            needs[name] = plan(inner, depth + 1)
        elif is_context(hints.get(name)):
            contexts.append(name)
        elif parameter.default is inspect.Parameter.empty:
            raise ConfigurationError(
                f"dependency {label(depends.provide)} has a parameter that nothing provides: {name}"
            )
    return Plan(depends.provide, tuple(contexts), needs)


def _parameters(provide: Any) -> Mapping[str, inspect.Parameter]:
    try:
        hash(provide)  # a call keeps what it was given by its provider
        return inspect.signature(provide).parameters
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"dependency {label(provide)} is not a function whose parameters can be read"
        ) from None


async def resolve(plans: Mapping[str, Plan], context: Context, stack: AsyncExitStack) -> dict[str, Any]:
    """Call each provider once; generators are finished by ``stack``."""
    done: dict[Callable[..., Any], Any] = {}
    return {name: await _provided(item, context, stack, done) for name, item in plans.items()}


async def _provided(item: Plan, context: Context, stack: AsyncExitStack, done: dict[Callable[..., Any], Any]) -> Any:
    if item.provide not in done:
        values: dict[str, Any] = dict.fromkeys(item.contexts, context)
        for name, inner in item.needs.items():
            values[name] = await _provided(inner, context, stack, done)
        done[item.provide] = await _entered(item.provide, values, stack)
    return done[item.provide]


async def _entered(provide: Callable[..., Any], values: dict[str, Any], stack: AsyncExitStack) -> Any:
    if inspect.isasyncgenfunction(provide):
        later = asynccontextmanager(provide)(**values)
        value = await later.__aenter__()
        stack.push_async_exit(_heard_async(later.__aexit__))
        return value
    if inspect.isgeneratorfunction(provide):
        now = contextmanager(provide)(**values)
        value = now.__enter__()
        stack.push(_heard(now.__exit__))
        return value
    value = provide(**values)
    return await value if inspect.isawaitable(value) else value


def _heard(leave: Callable[..., Any]) -> Callable[..., None]:
    """A provider hears of a call's failure, but one that swallows it does not make the call a success."""

    def end(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        leave(kind, error, trace)

    return end


def _heard_async(leave: Callable[..., Any]) -> Callable[..., Any]:
    async def end(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await leave(kind, error, trace)

    return end
