"""Says in words what one JSON schema takes: ``an integer from 1 to 100``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_CHOICES = 20
"""Choices of an enumeration that are named."""
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
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
    ("minProperties", "maxProperties", " entries"),
)


def described(node: Mapping[str, Any]) -> str:
    """What a schema without alternatives takes."""
    if "enum" in node:
        return "one of " + ", ".join(_value(choice) for choice in node["enum"][:MAX_CHOICES])
    if "const" in node:
        return f"the value {_value(node['const'])}"
    kinds = node.get("type")
    if isinstance(kinds, list):
        return " or ".join(described({**node, "type": kind}) for kind in kinds)
    return _WORDS.get(str(kinds), "another value") + _ranged(node) + _sized(node) + _shaped(node)


def _value(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice)


def _ranged(node: Mapping[str, Any]) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    rules = (
        ("of at least", low),
        ("above", node.get("exclusiveMinimum")),
        ("of at most", high),
        ("below", node.get("exclusiveMaximum")),
    )
    told = [f"{word} {bound}" for word, bound in rules if bound is not None]
    return f" {' and '.join(told)}" if told else ""


def _sized(node: Mapping[str, Any]) -> str:
    for least, most, unit in _BOUNDS:
        low, high = node.get(least), node.get(most)
        if low is not None and low == high:
            return f" of exactly {low}{unit}"
        if low is not None and high is not None:
            return f" of {low} to {high}{unit}"
        if low is not None:
            return f" of at least {low}{unit}"
        if high is not None:
            return f" of at most {high}{unit}"
    return ""


def _shaped(node: Mapping[str, Any]) -> str:
    if "format" in node:
        return f" in {node['format']} form"
    return f" that matches {node['pattern']}" if "pattern" in node else ""
