"""Says in one short sentence which argument does not fit and what it takes, without repeating what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from holdfast.core.places import alternatives, found, names_in
from holdfast.core.wording import described
from holdfast.errors import InvalidArguments

MAX_NAMED = 5
"""Complaints in one message; an agent mends a few at a time, and the message stays short."""
MAX_EXPLAINED = 1_000
"""Faults that are looked at one by one: 400,000 of them, of one list of 100,000 wrong items, took 15 s (measured)."""
_OURS = ("handle_type", "handle_length", "handle_refused")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument", "unexpected_positional_argument")
_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")
_CHECKED = ("value_error", "assertion_error")
"""A validator of the author's said no; its text may repeat the value and is not shown."""
_KEY = "[key]"


def refusal(error: ValidationError, schema: Mapping[str, Any]) -> InvalidArguments:
    """The refusal for a failed validation; when one guard handle alone said no, under that handle's own code."""
    if error.error_count() > MAX_EXPLAINED:
        return InvalidArguments(f"more than {MAX_EXPLAINED} values do not fit: {_outline(schema)}")
    items = error.errors(include_url=False, include_input=False)
    codes = {item.get("ctx", {}).get("code") if item["type"] == "handle_refused" else None for item in items}
    code = codes.pop() if len(codes) == 1 else None
    return InvalidArguments(explain(items, schema), code=code)


def explain(items: Sequence[Mapping[str, Any]], schema: Mapping[str, Any], *, unions: bool = True) -> str:
    """The message for faults (``type``, ``loc`` and, for handles, ``msg``) against ``schema``.

    ``unions`` says that a ``loc`` names the alternative of a union that it leads through, as pydantic's do.
    """
    teller = _Teller(schema, unions)
    lines = list(dict.fromkeys(teller.complaint(item) for item in items))
    more = f"; and {len(lines) - MAX_NAMED} more" if len(lines) > MAX_NAMED else ""
    return "; ".join(lines[:MAX_NAMED]) + more


def _outline(schema: Mapping[str, Any]) -> str:
    teller = _Teller(schema, unions=True)
    return "; ".join(f"{name} takes {teller.takes((name,))}" for name in list(schema.get("properties", ()))[:MAX_NAMED])


class _Teller:
    """Words the faults against one schema."""

    def __init__(self, schema: Mapping[str, Any], unions: bool) -> None:
        self._schema = schema
        self._unions = unions
        self._known = names_in(schema)

    def complaint(self, item: Mapping[str, Any]) -> str:
        kind, path = item["type"], tuple(item["loc"])
        if kind in _UNKNOWN:
            return self._unknown(path[:-1])
        if path and path[-1] == _KEY:
            return f"a name in {spelled(path[:-2], self._known)} takes {self._name(path[:-2])}"
        place = spelled(path, self._known)
        if kind in _OURS:
            return f"{place}: {item['msg']}"
        if kind in _MISSING:
            return f"{place} is required: takes {self.takes(path)}"
        verb = "take" if place == _ALL else "takes"
        failed = " did not pass the tool's own check:" if kind in _CHECKED else ""
        return f"{place}{failed} {verb} {self.takes(path)}"

    def takes(self, path: tuple[int | str, ...]) -> str:
        return self._words(self._found(path))

    def _unknown(self, path: tuple[int | str, ...]) -> str:
        place = spelled(path, self._known)
        where = "" if place == _ALL else f" in {place}"
        names = {name: None for node in self._found(path) for name in node.get("properties", ())}
        offer = f"it takes {', '.join(names)}" if names else "it takes none"
        return f"an argument{where} is unknown: {offer}"

    def _name(self, path: tuple[int | str, ...]) -> str:
        rules = [{"type": "string", **node["propertyNames"]} for node in self._found(path) if "propertyNames" in node]
        return self._words(rules) if rules else "another form"

    def _found(self, path: tuple[int | str, ...]) -> list[Mapping[str, Any]]:
        return found(self._schema, path, unions=self._unions)

    def _words(self, nodes: Iterable[Mapping[str, Any]]) -> str:
        leaves = (leaf for node in nodes for leaf in alternatives(node, self._schema))
        return " or ".join(dict.fromkeys(described(leaf) for leaf in leaves))


_ALL = "the arguments"


def spelled(path: Iterable[int | str], known: frozenset[str]) -> str:
    """A path such as ``items[3].name``; names that the schema does not hold come from the caller and are left out."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step in known:
            text += f".{step}" if text else step
    return text or _ALL
