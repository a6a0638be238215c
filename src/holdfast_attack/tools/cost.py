"""How much work a schema and a value would make for a validator: hostile ones are turned away before they cost it.

A validator follows each reference each time: thirty definitions that name the next one twice are a billion steps
[measured: 0.03 s for twenty, doubled by each further one], and it cannot be stopped from another thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from holdfast_attack.tools.refs import target

MOST_STEPS = 20_000
"""Up to 40 us each where the interpreter is unlucky with its stack [measured]: less than a second."""
DEEPEST = 150
"""Levels of references and of values while validating."""
MOST_NODES = 30_000
"""Values in a schema."""
DEEPEST_SCHEMA = 100
MOST_PATTERNS = 500
LONGEST_PATTERNS = 50_000
"""Characters of all patterns of a schema together."""
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_MAPS = ("dependentSchemas", "dependencies")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_TWICE = ("unevaluatedProperties", "unevaluatedItems")


class TooCostly(Exception):
    """It would take more work than a schema is worth."""


def weigh(schema: Any) -> None:
    """Turn away a schema that is huge, deep, or made of patterns. Raises ``TooCostly``."""
    nodes = patterns = characters = 0
    left: list[tuple[Any, int]] = [(schema, 0)]
    while left:
        node, depth = left.pop()
        nodes += 1
        if nodes > MOST_NODES or depth > DEEPEST_SCHEMA:
            raise TooCostly
        for pattern in _patterns(node):
            patterns, characters = patterns + 1, characters + len(pattern)
        if patterns > MOST_PATTERNS or characters > LONGEST_PATTERNS:
            raise TooCostly
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        left += [(value, depth + 1) for value in inner]


def longest_text(value: Any) -> int:
    """The length of the longest string in a value, keys included."""
    longest, left = 0, [value]
    while left:
        node = left.pop()
        if isinstance(node, str):
            longest = max(longest, len(node))
        elif isinstance(node, dict):
            left += [*node, *node.values()]
        elif isinstance(node, list):
            left += node
    return longest


class Cost:
    """Walks a schema along a value as a validator does, and stops where that is too long a way."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._targets: dict[str, Any] = {}  # as many as the schema has references; looking one up anew costs more
        self._steps = 0

    def walk(self, value: Any) -> None:
        """Raises ``TooCostly``."""
        self._steps = 0
        self._node(self._root, value, 0)

    def _node(self, schema: Any, value: Any, depth: int) -> None:
        if not isinstance(schema, dict):
            return
        enum = schema.get("enum")
        self._steps += 1 + (len(enum) if isinstance(enum, list) else 0)
        if self._steps > MOST_STEPS or depth > DEEPEST:
            raise TooCostly
        for _ in range(2 if any(key in schema for key in _TWICE) else 1):
            for part in self._in_place(schema):
                self._node(part, value, depth + 1)
        if isinstance(value, dict):
            self._object(schema, value, depth + 1)
        elif isinstance(value, list):
            self._array(schema, value, depth + 1)

    def _in_place(self, schema: dict[str, Any]) -> Iterator[Any]:
        for key in _REFERENCES:
            if key in schema:
                yield self._target(schema[key])
        for key in _IN_PLACE_LISTS:
            yield from _list(schema.get(key))
        for key in _IN_PLACE:
            if key in schema:
                yield schema[key]
        for key in _IN_PLACE_MAPS:
            yield from _dict(schema.get(key)).values()

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str):
            return None
        if reference not in self._targets:
            self._targets[reference] = target(self._root, reference)
        return self._targets[reference]

    def _object(self, schema: dict[str, Any], value: dict[str, Any], depth: int) -> None:
        properties, patterns = _dict(schema.get("properties")), _dict(schema.get("patternProperties"))
        rest = [schema[key] for key in ("additionalProperties", "unevaluatedProperties") if key in schema]
        names = schema.get("propertyNames")
        for name, inner in value.items():
            self._node(names, name, depth)
            for part in (properties.get(name), *patterns.values(), *rest):
                self._node(part, inner, depth)

    def _array(self, schema: dict[str, Any], value: list[Any], depth: int) -> None:
        tuples = _list(schema.get("prefixItems")) or _list(schema.get("items"))
        every = [schema[key] for key in ("items", "contains", "additionalItems", "unevaluatedItems") if key in schema]
        every = [part for part in every if isinstance(part, dict)]
        for part, inner in zip(tuples, value, strict=False):
            self._node(part, inner, depth)
        for inner in value if every else ():
            for part in every:
                self._node(part, inner, depth)


def has_own_ids(schema: Any) -> bool:
    """Whether a part of the schema has an address of its own, so that references may lead where `Cost` cannot see."""
    left = list(schema.values()) if isinstance(schema, dict) else []
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if isinstance(node.get("$id"), str) and not re.match("#", node["$id"]):
                return True
            left += node.values()
        elif isinstance(node, list):
            left += node
    return False


def _patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        yield from _dict(node.get("patternProperties"))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
