"""Reads a tool's arguments from the words of a command: JSON, a file, or ``name=value`` pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from holdfast.errors import ConfigurationError


def read_arguments(given: str | None, pairs: Sequence[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of one call: an object from ``given`` (JSON text, or ``@file``), with each ``name=value`` of
    ``pairs`` put over it. Raises ``ConfigurationError`` for what is neither."""
    arguments = {} if given is None else _object(_source(given))
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ConfigurationError("arguments are given as name=value, or all together as --json '{...}'")
        arguments[name] = _value(text, schema.get("properties", {}).get(name, {}))
    return arguments


def _source(given: str) -> str:
    try:
        return Path(given[1:]).read_text("utf-8") if given.startswith("@") else given
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the arguments cannot be read: {type(error).__name__}") from None


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(f"the arguments are not JSON: {error.msg} at {place}") from None
    except (ValueError, RecursionError):
        raise ConfigurationError("the arguments are not JSON that a server takes") from None
    if not isinstance(value, dict):
        raise ConfigurationError('the arguments must be a JSON object, such as {"name": "Ada"}')
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _value(text: str, node: Mapping[str, Any]) -> Any:
    """Text where the schema takes a string; elsewhere JSON, if it is some."""
    if node.get("type") == "string":
        return text
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
