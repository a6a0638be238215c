"""Dependencies of tools: values that the server provides and that no caller sees or sends."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

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
    hints = get_type_hints(depends.provide, include_extras=True)
    contexts: list[str] = []
    needs: dict[str, Plan] = {}
    for name, parameter in inspect.signature(depends.provide).parameters.items():
        inner = marker(hints.get(name), parameter.default)
        if inner is not None:
            needs[name] = plan(inner, depth + 1)
        elif hints.get(name) is Context:
            contexts.append(name)
        elif parameter.default is inspect.Parameter.empty:
            raise ConfigurationError(
                f"dependency {depends.provide.__qualname__} has a parameter that nothing provides: {name}"
            )
    return Plan(depends.provide, tuple(contexts), needs)


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
        return await stack.enter_async_context(asynccontextmanager(provide)(**values))
    if inspect.isgeneratorfunction(provide):
        return stack.enter_context(contextmanager(provide)(**values))
    value = provide(**values)
    return await value if inspect.isawaitable(value) else value
