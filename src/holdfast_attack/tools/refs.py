"""Local references and `allOf` of a JSON schema written out, so that what it says of a value stands in one place.

What comes out is for making values and for telling roles; whether a value is valid is asked of the schema itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

DEEPEST = 8
"""Levels of values; what lies deeper is anything."""
MOST = 2_000
"""Subschemas that are written out; from then on, anything."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_MAPS = ("properties", "patternProperties", "dependentSchemas")
_LISTS = ("prefixItems", "anyOf", "oneOf")
_SINGLE = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames")
_DROPPED = frozenset((*_REFERENCES, "allOf", "$defs", "definitions", "$anchor", "$dynamicAnchor", "$id", "$schema"))
_NARROWER = {"minimum": max, "exclusiveMinimum": max, "minLength": max, "minItems": max, "minProperties": max} | {
    "maximum": min,
    "exclusiveMaximum": min,
    "maxLength": min,
    "maxItems": min,
    "maxProperties": min,
}


def resolved(schema: Any) -> dict[str, Any]:
    """``schema`` without references and `allOf`. A circle, what is elsewhere and what is too deep become "anything"."""
    return _Resolver(schema).written_out(schema, DEEPEST, ())


def target(root: Any, reference: Any) -> Any:
    """What a local reference (`#`, `#/$defs/x`, `#anchor`) points at; None when it points at nothing there is."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    pointer = unquote(reference[1:])
    if pointer and not pointer.startswith("/"):
        return next((part for part in _definitions(root) if pointer in (part.get("$anchor"), _dynamic(part))), None)
    found = root
    for step in pointer.split("/")[1:]:
        found = _inner(found, step.replace("~1", "/").replace("~0", "~"))
    return found


def foreign(schema: Any) -> tuple[str, ...]:
    """The references that point out of the schema, but for those to the dialects of JSON Schema; in their order."""
    found: dict[str, None] = {}
    ids = {part["$id"] for part in _parts(schema) if isinstance(part.get("$id"), str)}
    for part in _parts(schema):
        for key in _REFERENCES:
            reference = part.get(key)
            if isinstance(reference, str) and _leaves(reference, ids):
                found[reference] = None
    return tuple(found)


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A schema for what both allow, as far as that can be written down; ``other`` has the last word elsewhere."""
    both = {**one, **other}
    for key in one.keys() & other.keys():
        mine, theirs = one[key], other[key]
        if key == "properties" and isinstance(mine, dict) and isinstance(theirs, dict):
            both[key] = {**mine, **theirs} | {
                name: merged(mine[name], theirs[name]) for name in mine.keys() & theirs.keys()
            }
        elif isinstance(mine, list) and isinstance(theirs, list):
            both[key] = _lists(key, mine, theirs)
        elif key in _NARROWER and _is_number(mine) and _is_number(theirs):
            both[key] = _NARROWER[key](mine, theirs)
    return both


class _Resolver:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = MOST

    def written_out(self, schema: Any, depth: int, under_way: tuple[str, ...]) -> dict[str, Any]:
        self._left -= 1
        if schema is False:
            return {"not": {}}
        if not isinstance(schema, dict) or depth < 0 or self._left < 0:
            return {}
        whole: dict[str, Any] = {}
        for reference in (schema[key] for key in _REFERENCES if isinstance(schema.get(key), str)):
            if reference not in under_way:
                whole = merged(whole, self.written_out(target(self._root, reference), depth, (*under_way, reference)))
        for part in schema["allOf"] if isinstance(schema.get("allOf"), list) else ():
            whole = merged(whole, self.written_out(part, depth - 1, under_way))
        return merged(whole, self._own(schema, depth - 1, under_way))

    def _own(self, schema: dict[str, Any], depth: int, under_way: tuple[str, ...]) -> dict[str, Any]:
        own = {key: value for key, value in schema.items() if isinstance(key, str) and key not in _DROPPED}
        for key in _MAPS:
            if isinstance(own.get(key), dict):
                own[key] = {name: self.written_out(part, depth, under_way) for name, part in own[key].items()}
        for key in _LISTS:
            if isinstance(own.get(key), list):
                own[key] = [self.written_out(part, depth, under_way) for part in own[key]]
        for key in _SINGLE:
            if isinstance(own.get(key), dict):
                own[key] = self.written_out(own[key], depth, under_way)
        return own


def _lists(key: str, mine: list[Any], theirs: list[Any]) -> list[Any]:
    if key == "required":
        return [*mine, *(name for name in theirs if name not in mine)]
    if key in ("enum", "type"):
        return [value for value in mine if value in theirs]
    return theirs


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _inner(holder: Any, step: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(step)
    if isinstance(holder, list) and step.isdecimal() and len(step) < 6 and int(step) < len(holder):
        return holder[int(step)]
    return None


def _dynamic(part: Mapping[str, Any]) -> Any:
    return part.get("$dynamicAnchor")


def _definitions(root: Any) -> Iterator[dict[str, Any]]:
    for key in ("$defs", "definitions"):
        definitions = _inner(root, key)
        if isinstance(definitions, dict):
            yield from (part for part in definitions.values() if isinstance(part, dict))


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object in a schema, without the values that it merely names."""
    left = [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left += [value for key, value in part.items() if key not in ("const", "enum", "default", "examples")]
        elif isinstance(part, list):
            left += part


def _leaves(reference: str, ids: set[str]) -> bool:
    base = reference.partition("#")[0]
    inside = base == "" or base in ids or any(known.endswith("/" + base) for known in ids)
    return not inside and "://json-schema.org/draft" not in base
