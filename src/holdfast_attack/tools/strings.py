"""Strings that fit a schema: by its format, its lengths, or a pattern that is simple enough to be written forwards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

LONGEST = 100_000
"""Characters that are written for the sake of a `minLength`."""
MOST_REPEATS = 200

SAMPLES: Final[Mapping[str, str]] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1S",
    "email": "somebody@example.invalid",
    "idn-email": "somebody@example.invalid",
    "hostname": "localhost",
    "idn-hostname": "localhost",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "http://127.0.0.1/",
    "uri-reference": "/",
    "iri": "http://127.0.0.1/",
    "json-pointer": "/a",
    "regex": "a",
}
"""By format."""
_PLAIN: Final = ("hello", "a", "1", "A", "a-1", "0.0.1", "12:00", "#ff0000", "en", "EUR", "")
_CLASSES: Final = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
_CLASS: Final = re.compile(r"\[(\^?)((?:\\.|[^\]\\])+)\]")
_REPEAT: Final = re.compile(r"\{(\d{1,4})(?:,\d{0,4})?\}")


def candidates(schema: Mapping[str, Any], wanted: str | None = None) -> Iterator[str]:
    """Strings that may fit, the likeliest first; whoever takes one asks the schema."""
    least, most = _length(schema, "minLength", 0), _length(schema, "maxLength", LONGEST)
    first = [] if wanted is None else [wanted]
    sample = SAMPLES.get(str(schema.get("format")))
    pattern = schema.get("pattern")
    written = by_pattern(pattern) if isinstance(pattern, str) else None
    for text in (*first, *([sample] if sample else []), *([written] if written is not None else []), *_PLAIN):
        yield text
        if len(text) < least <= LONGEST:
            yield text + (text[-1:] or "a") * (least - len(text))
        if len(text) > most:
            yield text[:most]


def by_pattern(pattern: str) -> str | None:
    """A string that a simple pattern matches: literals, classes, counts, and the first of alternatives; or None.

    >>> by_pattern("^[a-z]{3}-\\\\d+$")
    'aaa-1'
    """
    try:
        return _Writer(pattern).alternatives()
    except (ValueError, IndexError):
        return None


class _Writer:
    """Reads a pattern from the left and writes the shortest text that it can."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > 500:
            raise ValueError("too long to be simple")
        self._left = pattern

    def alternatives(self) -> str:
        """The first alternative up to a closing bracket or the end; the others are read and left out."""
        first = self._sequence()
        while self._left.startswith("|"):
            self._left = self._left[1:]
            self._sequence()
        return first

    def _sequence(self) -> str:
        text = ""
        while self._left and self._left[0] not in "|)":
            text += self._one()
            if len(text) > LONGEST:
                raise ValueError("too long")
        return text

    def _one(self) -> str:
        unit = self._unit()
        counted = _REPEAT.match(self._left)
        if counted:
            self._left = self._left[counted.end() :]
            times = int(counted[1])
            if times > MOST_REPEATS:
                raise ValueError("too often")
        else:
            times = {"*": 0, "?": 0}.get(self._left[:1], 1)
            self._left = self._left[1:] if self._left[:1] in ("*", "?", "+") else self._left
        self._left = self._left[1:] if self._left[:1] == "?" else self._left
        return unit * times

    def _unit(self) -> str:
        char, self._left = self._left[0], self._left[1:]
        if char in "^$":
            return ""
        if char == "\\":
            return self._escaped()
        if char == "[":
            return self._class()
        if char == "(":
            return self._group()
        return "a" if char == "." else char

    def _escaped(self) -> str:
        char, self._left = self._left[0], self._left[1:]
        if char in "bBAzZ":
            return ""
        if char.isdigit() or char in "pPukx":
            raise ValueError("not simple")
        return _CLASSES.get(char, {"n": "\n", "t": "\t", "r": "\r"}.get(char, char))

    def _class(self) -> str:
        found = _CLASS.match("[" + self._left)
        if found is None:
            raise ValueError("not simple")
        self._left = self._left[found.end() - 1 :]
        inside = re.compile(found[0])
        return next(char for char in "a1A-_ .Z0zf/@%!#9" + found[2] if inside.match(char))

    def _group(self) -> str:
        if self._left.startswith("?"):
            if not self._left.startswith("?:"):
                raise ValueError("not simple")
            self._left = self._left[2:]
        text = self.alternatives()
        if not self._left.startswith(")"):
            raise ValueError("not closed")
        self._left = self._left[1:]
        return text


def _length(schema: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = schema.get(key)
    return int(value) if isinstance(value, int | float) and 0 <= value <= 2**40 else otherwise
