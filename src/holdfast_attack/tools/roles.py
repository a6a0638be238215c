"""Which role a parameter has: told from its schema first, then from its name, then from what is written about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_attack.tools.vocabulary import (
    BY_CONTEXT,
    FOLDERS,
    LISTING,
    NEUTRAL,
    OF_DESCRIPTIONS,
    OF_FORMATS,
    OF_NUMBERS,
    OF_STRINGS,
    Role,
)
from holdfast_attack.tools.words import singular, words_of

_STARTS = (("^http", Role.URL), ("^(http", Role.URL), ("^(?:http", Role.URL), ("^/", Role.PATH))
_HERE = frozenset({".", "./", "/"})
FIRST_SENTENCE = 200


@dataclass(frozen=True, slots=True)
class Setting:
    """The tool that a parameter belongs to, as words."""

    tool: frozenset[str]
    """Of its name and title."""
    told: frozenset[str] = frozenset()
    """Of the beginning of its description."""

    @classmethod
    def of(cls, name: str, title: str = "", description: str = "") -> Setting:
        """From the texts of a listed tool."""
        named = frozenset(map(singular, words_of(f"{name} {title}")))
        return cls(named, frozenset(map(singular, words_of(description[:FIRST_SENTENCE]))))


def role_of(name: str, schema: Mapping[str, Any], setting: Setting) -> Role:
    """The role of a value whose resolved schema is ``schema``: of one element, where the parameter is a list."""
    if schema.get("enum") is not None or "const" in schema:
        return Role.OTHER  # nothing else than what is listed may be in it
    kinds = types_of(schema)
    if kinds & {"integer", "number"} and "string" not in kinds:
        return _of_number(name)
    if kinds and "string" not in kinds:
        return Role.OTHER
    return _of_string(name, schema, setting)


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that a schema names, in its branches too; empty: it takes any."""
    own = schema.get("type")
    if isinstance(own, str):
        return frozenset({own})
    if isinstance(own, list):
        return frozenset(kind for kind in own if isinstance(kind, str))
    branches = [branch for key in ("anyOf", "oneOf") for branch in _dicts(schema.get(key))]
    return frozenset[str]().union(*map(types_of, branches))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _of_number(name: str) -> Role:
    words = words_of(name)
    for word in reversed(words):
        role = OF_NUMBERS.get(word) or OF_NUMBERS.get(singular(word))
        if role is Role.COUNT and any(OF_NUMBERS.get(singular(other)) is Role.DURATION for other in words):
            return Role.DURATION  # `wait_time`, `max_wait`
        if role is not None:
            return role
    return Role.OTHER


def _of_string(name: str, schema: Mapping[str, Any], setting: Setting) -> Role:
    own = tuple(map(singular, words_of(name)))
    told = frozenset(map(singular, words_of(_text(schema.get("description")))))
    role = (
        _of_schema(schema)
        or _of_name(own, setting.tool | setting.told | told | frozenset(own))
        or _of_description(told)
        or Role.TEXT
    )
    return Role.FOLDER if role is Role.PATH and _is_folder(own, schema, setting, told) else role


def _of_schema(schema: Mapping[str, Any]) -> Role | None:
    role = OF_FORMATS.get(_text(schema.get("format")))
    if role is not None:
        return role
    pattern = _text(schema.get("pattern"))
    return next((role for start, role in _STARTS if pattern.startswith(start)), None)


def _of_name(own: tuple[str, ...], context: frozenset[str]) -> Role | None:
    for word in reversed(own):
        found = next((role for near, role in BY_CONTEXT.get(word, ()) if near & context), OF_STRINGS.get(word))
        if found is not None and not (word in NEUTRAL and len(own) > 1):
            return found
    return None


def _of_description(told: frozenset[str]) -> Role | None:
    return next((role for words, role in OF_DESCRIPTIONS if words & told), None)


def _is_folder(own: tuple[str, ...], schema: Mapping[str, Any], setting: Setting, told: frozenset[str]) -> bool:
    """Whether a path is that of a folder: by its own words, its default, what it is told to be, or by the tool's."""
    if FOLDERS & set(own) or _text(schema.get("default")) in _HERE:
        return True
    if told & {"file", "folder", "directory"}:
        return "file" not in told
    return bool(setting.tool & (FOLDERS - {"project"}) or setting.tool & LISTING)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
