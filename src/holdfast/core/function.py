"""Turns a plain function into an operation: its type hints are the schema, its docstring the description."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PydanticUndefinedAnnotation, PydanticUserError, create_model

from holdfast.core.arguments import Arguments, ModelArguments, ToolInput
from holdfast.core.context import current_context
from holdfast.core.inject import Plan, hints_of, is_context, label, marker, plan, resolve
from holdfast.core.operation import FACTS, Isolation, Operation, doc
from holdfast.core.output import declared_output
from holdfast.core.raw import SchemaArguments
from holdfast.core.tool import Tool
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from holdfast.core.context import Context

_FIELD = "arg_"
"""Prefix of the model's field names, so that a parameter may be called ``schema``, ``copy`` or ``model_x``."""
_UNGUARDED = {
    "path": "ReadPath, WritePath or DirPath", "file": "ReadPath or WritePath", "filename": "ReadPath or WritePath",
    "dir": "DirPath", "directory": "DirPath", "url": "PublicUrl", "uri": "PublicUrl", "command": "CommandTool",
    "cmd": "CommandTool", "sql": "ReadQuery", "query": "ReadQuery",
}  # fmt: skip


class UnguardedParameter(UserWarning):
    """A plain ``str`` parameter whose name says that it is a path, a URL, a command or SQL."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes: arguments from the caller, a context, and dependencies from the server."""

    arguments: type[BaseModel]
    names: tuple[str, ...]
    context: str | None
    dependencies: Mapping[str, Plan]
    returns: Any


def read_signature(function: Callable[..., Any]) -> Signature:
    """Read a function's parameters. Raises ``ConfigurationError`` for those that no caller could fill."""
    hints = hints_of(function)
    fields: dict[str, Any] = {}
    contexts: list[str] = []
    dependencies: dict[str, Plan] = {}
    for name, parameter in _parameters(function).items():
        annotation = hints.get(name, Any)
        depends = marker(annotation, parameter.default)
        if is_context(annotation):
            contexts.append(name)
        elif depends is not None:
            dependencies[name] = plan(depends)
        else:
            _warn_if_unguarded(function, name, annotation)
            fields[_FIELD + name] = (annotation, ... if parameter.default is parameter.empty else parameter.default)
    if len(contexts) > 1:
        raise ConfigurationError(f"{label(function)}: a call has one context; take it once")
    names = tuple(field.removeprefix(_FIELD) for field in fields)
    context = contexts[0] if contexts else None
    return Signature(_model(function, fields), names, context, dependencies, hints.get("return", Any))


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What is still to be filled in; what a ``partial`` has bound by name is the author's and no caller's."""
    bound = function.keywords if isinstance(function, partial) else {}
    found = {name: item for name, item in inspect.signature(function).parameters.items() if name not in bound}
    for parameter in found.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigurationError(
                f"{label(function)}: *args, **kwargs and positional-only parameters have no schema"
            )
    return found


def _callable(function: Any) -> Callable[..., Any]:
    """The function itself; of an object that can be called its ``__call__``, which can be read and may be async.

    Raises ``ConfigurationError`` for what cannot be an operation.
    """
    if isinstance(function, partial):
        return partial(_callable(function.func), *function.args, **function.keywords)
    if inspect.isclass(function) or not callable(function):
        raise ConfigurationError("a decorator takes a function; give a Tool class to server.add")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{label(function)}: a generator has no one answer; return a list")
    return function if inspect.isroutine(function) else _callable(function.__call__)


class _FunctionInput(ToolInput):
    model_config = ConfigDict(alias_generator=lambda name: name.removeprefix(_FIELD), use_attribute_docstrings=False)


def _model(function: Callable[..., Any], fields: dict[str, Any]) -> type[BaseModel]:
    try:
        model: type[BaseModel] = create_model(f"{label(function)}_input", __base__=_FunctionInput, **fields)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise ConfigurationError(f"{label(function)}: a parameter's type has no schema ({error.code})") from None
    return model


def _warn_if_unguarded(function: Callable[..., Any], name: str, annotation: Any) -> None:
    if name in _UNGUARDED and (annotation is Any or _is_text(annotation)):
        warnings.warn(
            f"{label(function)}({name}: str) is an unguarded string; take {_UNGUARDED[name]} instead, "
            "or choose another name if it is not one",
            UnguardedParameter,
            stacklevel=6,
        )


def _is_text(annotation: Any) -> bool:
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return any(_is_text(item) for item in get_args(annotation))
    return annotation is str


class FunctionOperation(Operation):
    """The half that functions share, whatever they are registered as; mixed into ``FunctionTool`` and its siblings."""

    _whole: str | None = None
    """The one parameter that gets all arguments, when the author's own schema describes them."""

    def adopt(self, function: Callable[..., Any], facts: Mapping[str, Any]) -> None:
        """Read ``function`` and take over the decorator's keyword arguments."""
        self.function = _callable(function)
        self.name = getattr(function, "__name__", "")
        self.description = doc(function)
        for fact, value in facts.items():
            if fact not in FACTS:
                raise ConfigurationError(f"unknown argument of the decorator: {fact}")
            if value is not None:
                setattr(self, fact, value)
        self.check_facts()
        self.signature = read_signature(self.function)
        self.arguments: Arguments = ModelArguments(self.signature.arguments, lenient=self.lenient)
        self._takes = self.signature.context
        self._fields = tuple((name, _FIELD + name) for name in self.signature.names)

    def work(self) -> Any:
        """See ``Operation.work``."""
        return self.function

    @property
    def provides(self) -> bool:
        """See ``Operation.provides``."""
        return bool(self.signature.dependencies) or type(self).prepare is not FunctionOperation.prepare

    async def prepare(self, args: Any, context: Context, stack: AsyncExitStack) -> Mapping[str, Any]:
        """See ``Operation.prepare``."""
        needed = self.signature.dependencies
        return await resolve(needed, context, stack) if needed else {}

    def values(self, args: Any) -> dict[str, Any]:
        """The caller's arguments by parameter name."""
        if self._whole is not None:
            return {self._whole: args}
        fields = args.__dict__
        return {name: fields[field] for name, field in self._fields}

    def detached(self, args: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """See ``Operation.detached``."""
        return call_detached, (self.function, self.values(args), self._takes)

    def where(self) -> Isolation:
        """See ``Operation.where``; raises ``ConfigurationError`` for a function that needs the server's process."""
        place = super().where()
        if place == "process" and self.signature.dependencies:
            raise ConfigurationError(
                f"{self.kind} {self.name}: dependencies are made in the server's process and cannot leave it; "
                "make what it needs in the function itself, or let it run in a thread"
            )
        return place

    def run(self, args: Any, ctx: Context, **given: Any) -> Any:
        """Call the function with the arguments, the context and the dependencies; an asynchronous one is to be awaited.

        ``given`` is this call's own dictionary, and is filled up in place of making others.
        """
        if self._whole is None:
            fields = args.__dict__
            for name, field in self._fields:
                given[name] = fields[field]
        else:
            given[self._whole] = args
        if self._takes is not None:
            given[self._takes] = ctx
        return self.function(**given)


def call_detached(function: Callable[..., Any], values: Mapping[str, Any], takes: str | None = None) -> Any:
    """Call a function in another process, with that process's context when it ``takes`` one."""
    return function(**values) if takes is None else function(**values, **{takes: current_context.get()})


class FunctionTool(FunctionOperation, Tool):
    """A decorated function as a tool."""

    def __init__(self, function: Callable[..., Any], *, schema: Mapping[str, Any] | None = None, **facts: Any) -> None:
        self.adopt(function, facts)
        self.output = declared_output(self.signature.returns)
        self.check_name()
        if schema is not None:
            self._take_schema(schema)

    def _take_schema(self, schema: Mapping[str, Any]) -> None:
        if len(self.signature.names) != 1:
            raise ConfigurationError(
                f"tool {self.name}: with schema= the function takes one argument, the whole object"
            )
        self._whole = self.signature.names[0]
        self.arguments = SchemaArguments(schema)
