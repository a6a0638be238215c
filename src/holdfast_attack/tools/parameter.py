"""A parameter of a tool: what it takes, what the tool does with it, and how a value is put into its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from holdfast_attack.tools.roles import Setting, role_of, types_of
from holdfast_attack.tools.values import branch, valid
from holdfast_attack.tools.vocabulary import Role

Step: TypeAlias = str | int
MOST = 100
"""Parameters of a tool that are looked at, and properties of one that is an object."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """``name`` is the key in the arguments. Where the value is a list or an object, ``steps`` lead to the place in it
    that ``role`` and ``schema`` speak of: ``(0,)`` in a list of paths, ``(0, "oldText")`` in a list of edits.
    """

    name: str
    schema: Mapping[str, Any]
    """Of the value at that place, references resolved."""
    required: bool
    role: Role
    steps: tuple[Step, ...] = ()
    whole: Mapping[str, Any] = field(default_factory=dict)
    """Of the whole value that stands under ``name``."""

    @property
    def label(self) -> str:
        """For a reader: `edits[].oldText`."""
        return self.name + "".join("[]" if isinstance(step, int) else f".{step}" for step in self.steps)

    def carry(self, value: Any) -> Any:
        """The value to put under ``name`` so that ``value`` arrives at the place; what is around it is valid."""
        return _carry(self.whole, self.steps, value)

    def put(self, arguments: Mapping[str, Any], value: Any) -> dict[str, Any]:
        """A copy of ``arguments`` with ``value`` at the place; what stands around it there already is kept."""
        try:
            whole = _replaced(arguments[self.name], self.steps, value)
        except (KeyError, IndexError, TypeError):
            whole = self.carry(value)
        return {**arguments, self.name: whole}


def parameter_of(name: str, schema: Mapping[str, Any], required: bool, setting: Setting) -> Parameter:
    """What a property of a tool's resolved schema is: a list has the role of its elements."""
    leaf, steps = _leaf(schema)
    return Parameter(name, leaf, required, role_of(name, leaf, setting), steps, schema)


def within(parameter: Parameter, setting: Setting) -> Iterator[Parameter]:
    """The properties of a parameter that is an object or a list of them, one level deep."""
    schema = branch(parameter.schema, "object") or {}
    properties = schema.get("properties")
    for name, part in list(properties.items())[:MOST] if isinstance(properties, dict) else ():
        if isinstance(part, dict):
            inner = parameter_of(name, part, _requires(schema, name), setting)
            steps = (*parameter.steps, name, *inner.steps)
            needed = parameter.required and inner.required
            yield Parameter(parameter.name, inner.schema, needed, inner.role, steps, parameter.whole)


def _leaf(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[Step, ...]]:
    """The schema of a single value, and the way to it: in a list its elements, unless a text is taken as well."""
    if "string" in types_of(schema):
        return branch(schema, "string") or schema, ()
    listed = branch(schema, "array")
    if listed is None:
        return schema, ()
    items = listed.get("items")
    if not isinstance(items, dict):
        return schema, ()
    inner = branch(items, "string") or branch(items, "object") or items
    described = {"description": schema["description"]} if "description" in schema else {}
    return {**described, **inner}, (0,)


def _carry(schema: Mapping[str, Any], steps: tuple[Step, ...], value: Any) -> Any:
    if not steps:
        return value
    step, further = steps[0], steps[1:]
    if isinstance(step, int):
        items = (branch(schema, "array") or schema).get("items")
        items = items if isinstance(items, dict) else {}
        around = valid(branch(schema, "array") or schema)
        rest = around[1:] if isinstance(around, list) else []
        return [_carry(items, further, value), *rest]
    found = branch(schema, "object") or schema
    properties = found.get("properties")
    inner = properties.get(step) if isinstance(properties, dict) else None
    around = valid(found)
    return {
        **(around if isinstance(around, dict) else {}),
        step: _carry(inner if isinstance(inner, dict) else {}, further, value),
    }


def _replaced(holder: Any, steps: tuple[Step, ...], value: Any) -> Any:
    if not steps:
        return value
    step = steps[0]
    if isinstance(step, int) and isinstance(holder, list):
        return [*holder[:step], _replaced(holder[step], steps[1:], value), *holder[step + 1 :]]
    if isinstance(step, str) and isinstance(holder, dict):
        return {**holder, step: _replaced(holder.get(step), steps[1:], value)}
    raise TypeError("another shape than the schema says")


def _requires(schema: Mapping[str, Any], name: str) -> bool:
    required = schema.get("required")
    return isinstance(required, list) and name in required
