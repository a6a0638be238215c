"""A value that fits a schema: the smallest one, with what is wanted in it where that fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeGuard

from holdfast_attack.tools.conforms import Checker
from holdfast_attack.tools.refs import merged
from holdfast_attack.tools.roles import types_of
from holdfast_attack.tools.strings import candidates

ANYTHING: Final = object()
"""Nothing is wanted in particular."""
DEEPEST = 6
MOST_ITEMS = 1_000
"""Elements that are made for the sake of a `minItems`."""
MOST_PROPERTIES = 100
MOST_TRIED = 60
"""Values that are tried for one place."""
MOST_MADE = 2_000
"""Places in one value, those of the tries included: a schema may be made to have no value in a million ways."""
_HINTS: Final = (
    ("object", ("properties", "required", "additionalProperties", "minProperties")),
    ("array", ("items", "prefixItems", "minItems", "uniqueItems")),
    ("string", ("minLength", "maxLength", "pattern", "format")),
    ("integer", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)


def valid(schema: Mapping[str, Any], wanted: Any = ANYTHING) -> Any:
    """A value for a resolved schema. Where none can be found that fits, the last that was tried."""
    return _Maker().make(schema, wanted, 0)


def branch(schema: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
    """The schema as one of values of a type (`array`, `string`): itself, or its first branch that takes them."""
    for key in ("anyOf", "oneOf"):
        for part in _dicts(schema.get(key)):
            if kind in types_of(part):
                return branch(merged({name: value for name, value in schema.items() if name != key}, part), kind)
    return dict(schema) if kind in types_of(schema) else None


class _Maker:
    def __init__(self) -> None:
        self._left = MOST_MADE

    def make(self, schema: Mapping[str, Any], wanted: Any, depth: int) -> Any:
        checker = Checker(dict(schema))
        value: Any = None
        for value in islice(self._candidates(schema, wanted, depth), MOST_TRIED):
            self._left -= 1
            if checker.accepts(value) is not False or self._left < 0:
                return value
        return value

    def _candidates(self, schema: Mapping[str, Any], wanted: Any, depth: int) -> Iterator[Any]:
        if "const" in schema:
            yield schema["const"]
            return
        if wanted is not ANYTHING:
            yield wanted
        if schema.get("default") is not None:
            yield schema["default"]
        yield from islice(_list(schema.get("examples")), 3)
        yield from islice(_list(schema.get("enum")), 20)
        for key in ("anyOf", "oneOf"):
            for part in _null_last(schema.get(key)):
                yield self.make(merged({k: v for k, v in schema.items() if k != key}, part), wanted, depth + 1)
        for kind in _kinds(schema):
            yield from self._of_kind(kind, schema, wanted, depth)

    def _of_kind(self, kind: str, schema: Mapping[str, Any], wanted: Any, depth: int) -> Iterable[Any]:
        if kind == "string":
            return candidates(schema, wanted if isinstance(wanted, str) else None)
        if kind in ("integer", "number"):
            return _numbers(schema, wanted)
        if kind == "object":
            return self._objects(schema, depth)
        if kind == "array":
            return self._arrays(schema, wanted, depth)
        return [False, True] if kind == "boolean" else [None]

    def _objects(self, schema: Mapping[str, Any], depth: int) -> Iterator[dict[str, Any]]:
        """With what is required, then with everything that is named."""
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        names = [name for name in _list(schema.get("required")) if isinstance(name, str)][:MOST_PROPERTIES]
        if depth > DEEPEST or self._left < 0:
            yield {}
            return
        for wider in ([], [name for name in properties if name not in names]):
            parts = {name: properties.get(name) for name in [*names, *wider][:MOST_PROPERTIES]}
            yield {name: self._inner(part, ANYTHING, depth) for name, part in parts.items()}

    def _arrays(self, schema: Mapping[str, Any], wanted: Any, depth: int) -> Iterator[list[Any]]:
        """What is wanted as the only element, then as short as may be, then with elements that all differ."""
        if depth > DEEPEST or self._left < 0:
            yield []
            return
        items = schema.get("items")
        least = _length(schema.get("minItems"))
        if wanted is not ANYTHING and not isinstance(wanted, list):
            yield [self._inner(items, wanted, depth)] * max(1, least)
        first = [self._inner(part, ANYTHING, depth) for part in _dicts(schema.get("prefixItems"))[:20]]
        more = range(max(0, least - len(first)))
        yield [*first, *([self._inner(items, ANYTHING, depth)] * len(more))]
        yield [*first, *(self._inner(items, f"a{number}", depth) for number in more)]
        yield [*first, *(self._inner(items, float(number), depth) for number in more)]

    def _inner(self, schema: Any, wanted: Any, depth: int) -> Any:
        return self.make(schema if isinstance(schema, dict) else {"type": "string"}, wanted, depth + 1)


def _numbers(schema: Mapping[str, Any], wanted: Any) -> Iterator[Any]:
    """Small ones, and those next to the bounds."""
    yield from (round(wanted), max(1, round(wanted))) if isinstance(wanted, float) and abs(wanted) < 2**53 else ()
    step = schema.get("multipleOf")
    step = step if is_finite(step) and step > 0 else 1
    yield from (1, 0, step)
    for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        bound = schema.get(key)
        if is_finite(bound):
            whole = step * (bound // step)
            yield from (bound, whole, whole + step, whole - step, bound + step / 2, bound - step / 2)


def _length(value: Any) -> int:
    return int(value) if is_finite(value) and 0 < value <= MOST_ITEMS else 0


def is_finite(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number that can be reckoned with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**1000


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = types_of(schema)
    if kinds:
        return sorted(kinds, key=lambda kind: (kind == "null", kind != "string", kind))
    return [kind for kind, hints in _HINTS if any(hint in schema for hint in hints)] or ["string", "object"]


def _null_last(parts: Any) -> list[dict[str, Any]]:
    return sorted(_dicts(parts), key=lambda part: part.get("type") == "null")[:8]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [part for part in _list(value) if isinstance(part, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
