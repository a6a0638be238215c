"""Says in one short sentence which argument does not fit and what it takes, without repeating what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from holdfast.errors import InvalidArguments

MAX_NAMED = 5
"""Complaints in one message; an agent mends a few at a time, and the message stays short."""
_OURS = ("handle_type", "handle_length", "handle_refused")


def refusal(error: ValidationError, schema: Mapping[str, Any]) -> InvalidArguments:
    """The refusal for a failed validation; when one guard handle alone said no, under that handle's own code."""
    items = error.errors(include_url=False, include_input=False)
    codes = {item.get("ctx", {}).get("code") if item["type"] == "handle_refused" else None for item in items}
    code = codes.pop() if len(codes) == 1 else None
    return InvalidArguments(explain(error, schema), code=code)


def explain(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """The message for a failed validation against ``schema``."""
    items = error.errors(include_url=False, include_input=False)
    known = names_in(schema)
    told: dict[str, None] = {}
    for item in items:
        told[_complaint(item, schema, known)] = None
    lines = list(told)
    more = f"; and {len(lines) - MAX_NAMED} more" if len(lines) > MAX_NAMED else ""
    return "; ".join(lines[:MAX_NAMED]) + more


def _complaint(item: Mapping[str, Any], schema: Mapping[str, Any], known: frozenset[str]) -> str:
    kind, path = item["type"], tuple(item["loc"])
    if kind == "extra_forbidden":
        return _unknown(path, schema, known)
    place = spelled(path, known)
    if kind in _OURS:
        return f"{place}: {item['msg']}"
    takes = described(_find(schema, path), schema)
    if kind == "missing":
        return f"{place} is required: takes {takes}"
    return f"{place} takes {takes}"


def _unknown(path: tuple[Any, ...], schema: Mapping[str, Any], known: frozenset[str]) -> str:
    where = f" in {spelled(path[:-1], known)}" if len(path) > 1 else ""
    names = list(_find(schema, path[:-1]).get("properties", ()))
    offer = f"it takes {', '.join(names)}" if names else "it takes none"
    return f"an argument{where} is unknown: {offer}"


def spelled(path: Iterable[int | str], known: frozenset[str]) -> str:
    """A path such as ``items[3].name``; names that the schema does not hold come from the caller and are left out."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step in known:
            text += f".{step}" if text else step
    return text or "the arguments"


def names_in(schema: Any) -> frozenset[str]:
    """Every property name that a schema declares, at any depth."""
    found: set[str] = set()
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            properties = node.get("properties")
            if isinstance(properties, Mapping):
                found.update(properties)
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return frozenset(found)


def _find(schema: Mapping[str, Any], path: Iterable[int | str]) -> Mapping[str, Any]:
    node: Mapping[str, Any] = schema
    for step in path:
        node = _followed(node, schema)
        inner = node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step)
        if isinstance(inner, Mapping):
            node = inner
        elif isinstance(node.get("additionalProperties"), Mapping):
            node = node["additionalProperties"]
    return _followed(node, schema)


def _followed(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        target = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
        return target if isinstance(target, Mapping) else node
    return node


def described(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a schema takes, in words: ``an integer from 1 to 100``."""
    if "enum" in node:
        return "one of " + ", ".join(str(choice) for choice in node["enum"][:20])
    if "const" in node:
        return f"the value {node['const']}"
    choices = node.get("anyOf") or node.get("oneOf")
    if isinstance(choices, list):
        return " or ".join(dict.fromkeys(described(_followed(choice, schema), schema) for choice in choices))
    word = _WORDS.get(str(node.get("type")), "another value")
    return word + _sized(node) + _shaped(node)


_WORDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
    ("minProperties", "maxProperties", " entries"),
)


def _sized(node: Mapping[str, Any]) -> str:
    for low, high, unit in _BOUNDS:
        if low in node and high in node:
            return f" from {node[low]} to {node[high]}{unit}" if not unit else f" of {node[low]} to {node[high]}{unit}"
        if low in node:
            return f" of at least {node[low]}{unit}"
        if high in node:
            return f" of at most {node[high]}{unit}"
    if "exclusiveMinimum" in node:
        return f" above {node['exclusiveMinimum']}" + (
            f" and below {node['exclusiveMaximum']}" if "exclusiveMaximum" in node else ""
        )
    return f" below {node['exclusiveMaximum']}" if "exclusiveMaximum" in node else ""


def _shaped(node: Mapping[str, Any]) -> str:
    if "format" in node:
        return f" in {node['format']} form"
    return f" that matches {node['pattern']}" if "pattern" in node else ""
