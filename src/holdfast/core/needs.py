"""Which parts of the sandbox an operation's arguments need, found in its type hints at any depth."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from holdfast.core.arguments import ModelArguments
from holdfast.core.operation import Operation
from holdfast.safe.handle import Handle
from holdfast.safe.within import Within


def needs_of(operation: Operation) -> frozenset[str]:
    """Names of ``Sandbox`` fields, and ``root:NAME`` for named roots; also what the operation declares as ``needs``."""
    found: set[str] = set(getattr(operation, "needs", ()))
    if isinstance(operation.arguments, ModelArguments):
        _collect(operation.arguments.model, found, set())
    return frozenset(found)


def _collect(annotation: Any, found: set[str], seen: set[Any]) -> None:
    if get_origin(annotation) is Annotated:
        named = {item.need for item in annotation.__metadata__ if isinstance(item, Within)}
        found |= named
        if named:
            return  # in place of the workspace
    if isinstance(annotation, type):
        if annotation in seen:
            return
        seen.add(annotation)
        if issubclass(annotation, Handle) and annotation.needs is not None:
            found.add(annotation.needs)
        for inner in _fields(annotation):
            _collect(inner, found, seen)
    for argument in get_args(annotation):
        _collect(argument, found, seen)


def _fields(kind: type) -> list[Any]:
    """The types of what a model, dataclass, TypedDict or NamedTuple holds."""
    if issubclass(kind, BaseModel):
        fields = kind.model_fields.values()  # pydantic has taken the outermost Annotated apart
        return [Annotated[item.annotation, *item.metadata] if item.metadata else item.annotation for item in fields]
    if is_dataclass(kind) or hasattr(kind, "__required_keys__") or hasattr(kind, "_fields"):
        return list(get_type_hints(kind, include_extras=True).values())
    return []
