"""Values that a schema forbids, by the way in which they are wrong; whoever sends one asks the schema first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from holdfast_attack.tools.roles import types_of
from holdfast_attack.tools.values import branch, is_finite, valid
from holdfast_attack.tools.vocabulary import Role


class Fault(StrEnum):
    """In which way arguments violate a schema."""

    TYPE = "type"  # nothing that could be taken for what was asked for
    MISSING = "missing"
    EXTRA = "extra"
    BOUNDS = "bounds"
    ENUM = "enum"
    COERCION = "coercion"  # "41" for 41: another type that reads the same
    NULL = "null"
    HUGE = "huge"
    NESTED = "nested"  # a fault inside a list or an object


@dataclass(frozen=True, slots=True)
class Wrong:
    """``what`` describes the value for a reader without showing it."""

    fault: Fault
    what: str
    value: Any


LONG = 200_000
"""Characters of a huge text."""
MANY = 5_000
"""Elements of a huge list: validating them stays within what a check may cost."""
_MOST_LENGTH = 1_000_000
"""A `maxLength` beyond this is not put to the test: 4 MiB of body are the usual limit before it."""

_LIST: Final = ("a list", ["holdfast", "attack"])
_OBJECT: Final = ("an object", {"holdfast": "attack"})
_TEXT: Final = ("a text", "not what was asked for")
_FRACTION: Final = ("a fraction", 1.5)
_OTHERS: Final[Mapping[str, tuple[tuple[str, Any], ...]]] = {
    "string": (_LIST, _OBJECT),
    "integer": (_FRACTION, _TEXT, _LIST, _OBJECT),
    "number": (_TEXT, _LIST, _OBJECT),
    "boolean": (_TEXT, ("a number", 7), _LIST, _OBJECT),
    "array": (_OBJECT, _FRACTION),
    "object": (_LIST, _FRACTION, ("a text", "not an object")),
}
_NAMES: Final = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def wrong(schema: Mapping[str, Any], sound: Any, role: Role) -> Iterator[Wrong]:
    """Everything that may be wrong with one value, from the plain to the sly; some of it may fit after all.

    ``sound`` is a value that means something to the tool. What is wrong stays close to it where it can, so that a
    server that does not look closely does what was asked, and is seen to.
    """
    kinds = sorted(types_of(schema) - {"null"})
    for kind in kinds:
        yield from _types(kind)
    yield Wrong(Fault.NULL, "null", None)
    if schema.get("enum") is not None or "const" in schema:
        yield from _unlisted(schema)
    for kind in kinds:
        part = branch(schema, kind) or dict(schema)
        value = valid(part, sound)
        yield from _coercible(kind, value)
        yield from _beyond(kind, part, value, role)
        yield from _huge(kind, part)


def _types(kind: str) -> Iterator[Wrong]:
    for name, value in _OTHERS.get(kind, ()):
        yield Wrong(Fault.TYPE, f"{name} in place of {_NAMES[kind]}", value)


def _unlisted(schema: Mapping[str, Any]) -> Iterator[Wrong]:
    enum = schema.get("enum")
    listed = enum if isinstance(enum, list) else [schema.get("const")]
    for value in listed[:1]:
        if isinstance(value, str):
            yield Wrong(Fault.ENUM, "a text that is none of those listed", "none-of-those-listed")
            yield Wrong(Fault.ENUM, "one of those listed, in other case", value.swapcase())
            yield Wrong(Fault.ENUM, "one of those listed and a blank", f"{value} ")
        elif is_finite(value):
            numbers = [number for number in listed if is_finite(number)]
            yield Wrong(Fault.ENUM, "a number that is none of those listed", max(numbers) + 1)


def _coercible(kind: str, value: Any) -> Iterator[Wrong]:
    """Another type that a lenient parser takes for the right one. 1.0 is none: to JSON Schema it is an integer."""
    if kind in ("integer", "number"):
        number = value if is_finite(value) else 1
        yield Wrong(Fault.COERCION, "a text of digits in place of a number", str(number))
        yield Wrong(Fault.COERCION, "true in place of a number", True)
    elif kind == "boolean":
        yield Wrong(Fault.COERCION, 'the text "true" in place of true', "true")
        yield Wrong(Fault.COERCION, "1 in place of true", 1)
    elif kind == "string":
        yield Wrong(Fault.COERCION, "a number in place of a text", 41)
        yield Wrong(Fault.COERCION, "true in place of a text", True)
    elif kind == "array":
        elements = value if isinstance(value, list) else []
        yield Wrong(Fault.COERCION, "the JSON text of a list in place of a list", _written(elements))
        yield from (Wrong(Fault.COERCION, "one element in place of a list", element) for element in elements[:1])
    elif kind == "object":
        yield Wrong(Fault.COERCION, "the JSON text of an object in place of an object", _written(value))


def _beyond(kind: str, schema: Mapping[str, Any], value: Any, role: Role) -> Iterator[Wrong]:
    if kind in ("integer", "number"):
        yield from _numbers(schema, value)
    elif kind == "string":
        yield from _texts(schema, value, role)
    elif kind == "array":
        yield from _lists(schema, value)


def _numbers(schema: Mapping[str, Any], value: Any) -> Iterator[Wrong]:
    for key, step, name in (
        ("minimum", -1, "a number below the least"),
        ("maximum", 1, "a number above the greatest"),
        ("exclusiveMinimum", 0, "the bound that is excluded below"),
        ("exclusiveMaximum", 0, "the bound that is excluded above"),
    ):
        bound = schema.get(key)
        if is_finite(bound):
            yield Wrong(Fault.BOUNDS, name, bound + step)  # where the float does not move it is valid, and not sent
    multiple = schema.get("multipleOf")
    if is_finite(multiple) and multiple > 1 and is_finite(value):
        yield Wrong(Fault.BOUNDS, "a number between two multiples", value + 1)


def _texts(schema: Mapping[str, Any], value: Any, role: Role) -> Iterator[Wrong]:
    text = value if isinstance(value, str) and value else "a"
    least, most = schema.get("minLength"), schema.get("maxLength")
    if is_finite(least) and 0 < least <= _MOST_LENGTH:
        yield Wrong(Fault.BOUNDS, "a text that is one character too short", (text * int(least))[: int(least) - 1])
    if is_finite(most) and 0 <= most <= _MOST_LENGTH:
        yield Wrong(Fault.BOUNDS, "a text that is one character too long", _long(text, int(most) + 1, role))
    if isinstance(schema.get("pattern"), str):
        for unlike in ("!", "", " ", "a b", "-1", "a!", text + "!", "!" + text, "A", "1"):
            yield Wrong(Fault.BOUNDS, "a text that the pattern does not match", unlike)


def _lists(schema: Mapping[str, Any], value: Any) -> Iterator[Wrong]:
    element = value[0] if isinstance(value, list) and value else _element(schema)
    least, most = schema.get("minItems"), schema.get("maxItems")
    if is_finite(least) and 0 < least <= MANY:
        yield Wrong(Fault.BOUNDS, "a list with one element too few", [element] * (int(least) - 1))
    if is_finite(most) and 0 <= most < MANY:
        yield Wrong(Fault.BOUNDS, "a list with one element too many", [element] * (int(most) + 1))
    if schema.get("uniqueItems") is True:
        yield Wrong(Fault.BOUNDS, "a list with the same element twice", [element, element])


def _huge(kind: str, schema: Mapping[str, Any]) -> Iterator[Wrong]:
    most = schema.get("maxLength")
    if kind == "string" and is_finite(most) and most <= _MOST_LENGTH:
        yield Wrong(Fault.HUGE, "a text far too long", "a" * (int(most) + LONG))
    if kind == "string":
        yield Wrong(Fault.HUGE, "a list of thousands in place of a text", [0] * MANY)
        yield Wrong(Fault.HUGE, "an object of thousands in place of a text", {f"n{n}": n for n in range(MANY)})
    elif kind in ("integer", "number"):
        yield Wrong(Fault.HUGE, "a number of 300 digits", 10**300)
        yield Wrong(Fault.HUGE, "a text of 200,000 digits in place of a number", "9" * LONG)
    else:
        yield Wrong(Fault.HUGE, f"a text of 200,000 characters in place of {_NAMES[kind]}", "a" * LONG)


def _long(text: str, length: int, role: Role) -> str:
    """As long as that, and of the same meaning where there is a way to say the same in more characters."""
    lacking = max(0, length - len(text))
    if role in (Role.PATH, Role.FOLDER) and not text.startswith("/"):
        return "./" * (lacking // 2) + "/" * (lacking % 2 if lacking > 1 else 0) + text
    if role is Role.SQL:
        return text + " " * lacking
    return f"{text}#{'a' * lacking}" if role is Role.URL else text + "a" * lacking


def _element(schema: Mapping[str, Any]) -> Any:
    items = schema.get("items")
    return valid(items) if isinstance(items, dict) else "a"


def _written(value: Any) -> str:
    return json.dumps(value)
