"""Valid inputs at the edges of what a schema allows: least, greatest, shortest, longest, none, all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, zip_longest
from typing import Any, Final

from holdfast_attack.tools.conforms import Checker
from holdfast_attack.tools.listed import Tool
from holdfast_attack.tools.roles import types_of
from holdfast_attack.tools.values import branch, is_finite, valid
from holdfast_attack.tools.vocabulary import Role

MOST = 40
"""Inputs of one tool."""
LONGEST = 10_000
_TEXTS: Final = ("\u00e4\u4e2d\U0001f600", "a\u0000b", "line\r\nbreak", "'\"\\%s{0}$(x)", " ")


def edges(tool: Tool, arguments: Mapping[str, Any], held: frozenset[Role]) -> tuple[dict[str, Any], ...]:
    """Valid variations of valid ``arguments``, one parameter at a time, the likeliest to break something first. Those
    with a role of ``held`` stay as they are: what is put into them would reach out for something, or wait.
    """
    checker = Checker(dict(tool.schema))
    made = (each for each in _all(tool, dict(arguments), held) if checker.accepts(each) is True)
    return tuple(islice(made, MOST))


def _all(tool: Tool, arguments: dict[str, Any], held: frozenset[Role]) -> Iterator[dict[str, Any]]:
    free = [parameter for parameter in tool.parameters if parameter.role not in held]
    each = [[{**arguments, free_one.name: value} for value in _values(free_one.whole)] for free_one in free]
    for turn in zip_longest(*each):
        yield from (made for made in turn if made is not None)
    yield {**arguments, **{parameter.name: valid(parameter.whole) for parameter in free}}


def _values(schema: Mapping[str, Any]) -> Iterator[Any]:
    enum = schema.get("enum")
    if isinstance(enum, list):
        yield from enum[:10]
        return
    kinds = types_of(schema)
    if "null" in kinds:
        yield None
    if "boolean" in kinds:
        yield from (False, True)
    for kind in ("integer", "number"):
        yield from _numbers(branch(schema, kind) or {}) if kind in kinds else ()
    if "string" in kinds:
        yield from _texts(branch(schema, "string") or {})
    if "array" in kinds:
        yield []


def _numbers(schema: Mapping[str, Any]) -> Iterator[Any]:
    for key, otherwise in (("minimum", 0), ("maximum", 2**53)):
        yield schema[key] if is_finite(schema.get(key)) else otherwise
    yield from (-1, 1.0, 2**31, 0, 1)


def _texts(schema: Mapping[str, Any]) -> Iterator[str]:
    least, most = schema.get("minLength"), schema.get("maxLength")
    yield "a" * int(least) if is_finite(least) and 0 < least <= LONGEST else ""
    yield "a" * int(most) if is_finite(most) and 0 < most <= LONGEST else "a" * LONGEST
    yield from _TEXTS
