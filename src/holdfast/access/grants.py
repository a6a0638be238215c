"""Reads what the operator grants: JSON, with an error that names the nearest known word for every unknown one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NoReturn

from holdfast.access.constraints import Constraint, constraint
from holdfast.access.globs import Matches, name_pattern
from holdfast.errors import ConfigurationError

SETTING: Final = "HOLDFAST_ACCESS__GRANTS"
KINDS: Final[Mapping[str, str]] = MappingProxyType({"tools": "tool", "resources": "resource", "prompts": "prompt"})
USE: Final[Mapping[str, str]] = MappingProxyType({"tool": "call", "resource": "read", "prompt": "call"})
"""The action that makes something of a kind visible: what may not be used is not listed."""
ACTIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "tool": frozenset({"call"}),
        "resource": frozenset({"read", "complete", "subscribe"}),
        "prompt": frozenset({"call", "complete"}),
    }
)
EVERYONE: Final = "*"
SCOPE: Final = "scope:"
MAX_ENTRIES: Final = 10_000
"""Grants in all."""
MAX_LEVELS: Final = 16
"""Names in the dotted path of one argument."""
_ENTRY: Final = (*KINDS, "actions", "where", "until")


@dataclass(frozen=True, slots=True)
class Grant:
    """What one entry allows."""

    names: Mapping[str, tuple[Matches, ...]]
    """Patterns by kind: tool names, prompt names, URIs and templates of resources."""
    actions: frozenset[str]
    where: tuple[tuple[tuple[str, ...], Constraint], ...] = ()
    """All of these must hold: the path of an argument, and what it must be."""
    until: float | None = None
    """Seconds since the epoch from which on it holds no more."""
    place: str = ""
    """Where it stands, for the operator."""

    def names_it(self, kind: str, name: str) -> bool:
        """Whether one of the patterns fits."""
        return any(matches(name) for matches in self.names.get(kind, ()))


def parse_grants(text: str) -> Mapping[str, tuple[Grant, ...]]:
    """Grants by holder: a principal's name, ``scope:NAME``, or ``*``. Raises ``ConfigurationError``.

    The grammar, and why there is no way to forbid: docs/decisions/0010-capabilities.md.
    """
    found = {holder: tuple(_entries(holder, entries)) for holder, entries in table(text, SETTING).items()}
    if sum(map(len, found.values())) > MAX_ENTRIES:
        raise ConfigurationError(f"{SETTING} holds at most {MAX_ENTRIES} grants")
    return found


def table(text: str, setting: str) -> dict[str, Any]:
    """The JSON object of a setting, in which no name comes twice. Raises ``ConfigurationError``."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ConfigurationError(f"{setting}: a name stands twice in one object")
        return made

    try:
        found = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "" in found:
        raise ConfigurationError(f"{setting} is a JSON object with a principal's name (or *) for each key")
    return found


def check_keys(entry: Mapping[str, Any], known: Iterable[str], place: str) -> None:
    """Raise ``ConfigurationError`` for an unknown key, with the nearest known one."""
    known = tuple(known)
    for key in entry:
        if key not in known:
            from difflib import get_close_matches

            near = get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"the nearest is {near[0]}" if near else f"there are {', '.join(known)}"
            raise ConfigurationError(f"{place}: unknown key {shown(key)}; {hint}")


def shown(text: str) -> str:
    """A word of the operator's, safe to print."""
    return "".join(char if char.isprintable() else "?" for char in text[:80])


def _entries(holder: str, entries: Any) -> Iterable[Grant]:
    place = f"{SETTING}, {shown(holder)}"
    if holder == SCOPE:
        raise ConfigurationError(f"{place}: name the scope, as in scope:notes")
    if not isinstance(entries, list):
        raise ConfigurationError(f"{place}: a list of grants, each an object, is wanted")
    for number, entry in enumerate(entries, 1):
        yield _entry(entry, f"{place}, grant {number}")


def _entry(entry: Any, place: str) -> Grant:
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{place}: an object is wanted")
    check_keys(entry, _ENTRY, place)
    names = patterns(entry, place)
    if not names:
        raise ConfigurationError(f"{place}: say what is granted: {', '.join(KINDS)}")
    actions = _actions(entry, names, place)
    where = _told(place, _where, entry["where"]) if "where" in entry else ()
    until = _until(entry["until"], place) if "until" in entry else None
    return Grant(names, actions, where, until, place)


def patterns(entry: Mapping[str, Any], place: str) -> Mapping[str, tuple[Matches, ...]]:
    """The patterns of an entry by kind. Raises ``ConfigurationError``."""
    found: dict[str, tuple[Matches, ...]] = {}
    for key, kind in KINDS.items():
        if key in entry:
            found[kind] = tuple(_told(place, name_pattern, text) for text in words(entry[key], f"{place}, {key}"))
    return found


def words(value: Any, place: str) -> list[str]:
    """A text, or a list of texts, as a list."""
    listed = [value] if isinstance(value, str) else value
    if not (isinstance(listed, list) and listed and all(isinstance(item, str) for item in listed)):
        raise ConfigurationError(f"{place}: a text or a list of texts is wanted")
    return listed


def _actions(entry: Mapping[str, Any], names: Mapping[str, Any], place: str) -> frozenset[str]:
    known = frozenset().union(*(ACTIONS[kind] for kind in names))
    if "actions" not in entry:
        return known
    chosen = frozenset(words(entry["actions"], f"{place}, actions"))
    useless = any(not chosen & ACTIONS[kind] for kind in names)
    if not chosen <= known or useless:
        raise ConfigurationError(
            f"{place}: the actions are call (tools, prompts), read and subscribe (resources) and complete (prompts, "
            "resources), at least one for each kind that is named; what may be called or read is also listed"
        )
    return chosen


def _where(written: Any) -> tuple[tuple[tuple[str, ...], Constraint], ...]:
    if not (isinstance(written, dict) and written):
        raise ConfigurationError('where is an object: {"argument": constraint}')
    return tuple((_path(path), constraint(wanted)) for path, wanted in written.items())


def _path(dotted: str) -> tuple[str, ...]:
    path = tuple(dotted.split("."))
    if not all(path) or len(path) > MAX_LEVELS:
        raise ConfigurationError("an argument in an object is named by its dotted path: options.depth")
    return path


def _until(written: Any, place: str) -> float:
    try:
        moment = datetime.fromisoformat(written)
    except (TypeError, ValueError):
        _refuse_moment(place)
    if moment.tzinfo is None:
        _refuse_moment(place)
    return moment.timestamp()


def _refuse_moment(place: str) -> NoReturn:
    raise ConfigurationError(f"{place}: until is a moment with its time zone: 2026-12-31T00:00:00Z") from None


def _told(place: str, read: Callable[[Any], Any], written: Any) -> Any:
    try:
        return read(written)
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from None
