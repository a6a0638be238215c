"""Log records: a bounded snapshot taken in the call, rendered and redacted later in the writer thread."""

from __future__ import annotations

import datetime
import json
import math
import re
import traceback
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal
from uuid import UUID

from holdfast.observe.stamps import Stamps
from holdfast.safe.naming import kind

MAX_FIELD = 8 * 1024
"""Characters of one string as written."""
MARGIN = 8 * 1024
"""Characters kept beyond ``MAX_FIELD`` until redaction, so that a secret is never cut into an unknown half."""
MAX_DEPTH = 6
MAX_ITEMS = 100
"""Entries of one container."""
MAX_NODES = 500
"""Values of one record in all."""
MAX_TEXT = 128 * 1024
"""Characters of one record in all."""
MAX_FRAMES = 50
"""Frames of one traceback."""
MAX_BITS = 256
"""Longest integer written as a number; str() of a huge one is slow or refused (CVE-2020-10735)."""

_CONTROL = re.compile(
    r"\x1b[\]PX^_][^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)?"  # string sequences (OSC, DCS, ...) with their payload
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,16}[@-~]?"  # CSI
    r"|\x1b[ -/]{0,16}[0-~]?"  # two-byte sequences
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # the other C0 and C1 characters, except tab and newline
    r"|[\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\u200b]"  # bidirectional overrides, line separators, zero width
    r"|[\U000e0000-\U000e007f]"  # invisible tags
)
_PLAIN = (bool, type(None))
_AS_TEXT = (PurePath, UUID, datetime.datetime, datetime.date, datetime.timedelta)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as text: without frames, so that a queued record keeps no locals alive."""

    kind: str
    summary: traceback.TracebackException

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Take names and lines only; the source text is read later, in the writer thread."""
        kind, at = type(error), error.__traceback__
        summary = traceback.TracebackException(kind, error, at, limit=-MAX_FRAMES, lookup_lines=False, compact=True)
        return cls(kind.__qualname__, summary)

    @property
    def weight(self) -> int:
        """Characters it holds, roughly."""
        return len(str(self.summary)) + MAX_FIELD

    def parts(self) -> dict[str, str]:
        """Return type, message and traceback, unredacted."""
        return {"type": self.kind, "message": str(self.summary), "traceback": "".join(self.summary.format())}


@dataclass(frozen=True, slots=True)
class Cut:
    """A string that was shortened in the call; its end must not be shown, it may be half a secret."""

    text: str


@dataclass(slots=True)
class Snapshot:
    """Copies a value into plain, bounded data. One per record; ``weight`` is what it holds, in characters."""

    nodes: int = MAX_NODES
    room: int = MAX_TEXT
    weight: int = field(default=0)

    def take(self, value: Any, depth: int = 0) -> Any:
        """Return ``value`` as None, bool, int, float, str, Cut, Failure, list or dict, none of them shared."""
        self.nodes -= 1
        if self.nodes < 0 or depth > MAX_DEPTH:
            return "..."
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is int or kind is float or isinstance(value, _PLAIN):
            return _number(value)
        try:
            return self._other(value, depth)
        except Exception:  # foreign code: a broken __repr__, a dict that another thread changes
            return f"<{kind.__name__}>"

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, Set)):
            return self._sequence(value, depth)
        if isinstance(value, BaseException):
            failure = Failure.of(value)
            self.weight += failure.weight
            return failure
        if isinstance(value, (bytes, bytearray)):
            return self._text(bytes(value[: MAX_FIELD + MARGIN]).decode("utf-8", "replace"))
        if isinstance(value, Enum):
            return self.take(value.value, depth + 1)
        return self._object(value)

    def _object(self, value: Any) -> Any:
        if isinstance(value, (str, *_AS_TEXT)):
            return self._text(str(value))
        if isinstance(value, (int, float)):
            return _number(value)
        return self._text(repr(value))

    def _text(self, text: str) -> Any:
        keep = min(MAX_FIELD + MARGIN, self.room)
        self.room -= min(len(text), keep)
        self.weight += min(len(text), keep) + 64
        return text if len(text) <= keep else Cut(text[:keep])

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for number, (key, item) in enumerate(value.items()):
            if number == MAX_ITEMS:
                out["..."] = len(value) - MAX_ITEMS
                break
            name = self._text(key if type(key) is str else str(key)[:MAX_FIELD])
            out[name] = self.take(item, depth + 1)
        return out

    def _sequence(self, value: Any, depth: int) -> list[Any]:
        out: list[Any] = []
        for number, item in enumerate(value):
            if number == MAX_ITEMS:
                out.append(f"... {len(value) - MAX_ITEMS} more")
                break
            out.append(self.take(item, depth + 1))
        return out


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # NaN and the infinities are not JSON (RFC 8259, 6)
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return f"<integer of {value.bit_length()} bits>"
    return value


@dataclass(frozen=True, slots=True)
class Renderer:
    """Turns a snapshot into one line of bytes; every string and key passes ``redact`` after control characters."""

    redact: Callable[[str], str]
    format: Literal["json", "console"] = "json"
    pair: Callable[[str, str], str] | None = None
    """As ``redact``, for a text that stands under a name, which may say that it is a secret."""
    stamps: Stamps = field(default_factory=Stamps, compare=False)

    def __call__(self, record: dict[Any, Any]) -> bytes:
        """Return the line, newline included. ``record`` holds ``time`` (epoch seconds), ``level`` and ``event``."""
        stamp = self.stamps.millis(record.pop("time"))
        clean = record if self._harmless(record) else self._fields(record)
        line = {"time": stamp, "level": clean.pop("level", "info"), "event": clean.pop("event", ""), **clean}
        text = _console(line) if self.format == "console" else json.dumps(line, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode("utf-8", "replace")

    def nothing_in(self, text: str) -> bool:
        """Whether ``text`` holds no control character and nothing to redact; False when that cannot be said."""
        if _CONTROL.search(text) is not None:
            return False
        try:
            return self.redact(text) == text
        except Exception:  # fail closed: the long way says which text it was
            return False

    def _harmless(self, record: dict[Any, Any]) -> bool:
        """Whether this is short text and numbers in which nothing is found: nearly every record, and looked at once.

        What stands in one of the texts stands in all of them joined, so nothing is missed (63 us a record, measured).
        """
        texts: list[str] = []
        for key, value in record.items():
            if type(value) is str:
                texts.append(value)
            elif value is not None and type(value) not in (int, float, bool):
                return False
            texts.append(key if type(key) is str and (value is None or kind(key) is None) else "\0")
        whole = "\n".join(texts)
        return len(whole) <= MAX_FIELD and self.nothing_in(whole)

    def clean(self, value: Any) -> Any:
        """Return ``value`` with every string stripped, redacted and cut, at any depth."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Cut):
            return self._text(value.text, shortened=True)
        if isinstance(value, dict):
            return self._fields(value)
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if isinstance(value, Failure):
            return {name: self._long(text) for name, text in value.parts().items()}
        return value

    def _fields(self, fields: dict[Any, Any]) -> dict[str, Any]:
        return {name: self._named(name, item) for name, item in ((self._key(key), fields[key]) for key in fields)}

    def _named(self, name: str, value: Any) -> Any:
        """A text under a name that says it is a secret; or whatever else it is."""
        if self.pair is not None and isinstance(value, str) and kind(name) is not None:
            try:
                shown = self.pair(name, value)
            except Exception:  # fail closed, as below
                return "[not shown: redaction failed]"
            if shown.startswith("[redacted:"):
                return shown
        return self.clean(value)

    def _long(self, text: str) -> str:
        keep = MAX_FIELD + MARGIN
        return self._text(text[:keep], shortened=len(text) > keep)

    def _key(self, key: Any) -> str:
        return self._text(key) if isinstance(key, str) else self._text(key.text, shortened=True)

    def _text(self, text: str, *, shortened: bool = False) -> str:
        try:
            text = self.redact(_CONTROL.sub("", text))
        except Exception:  # fail closed: what could not be redacted is not written
            return "[not shown: redaction failed]"
        keep = min(MAX_FIELD, max(0, len(text) - MARGIN)) if shortened else MAX_FIELD
        return text if len(text) <= keep else text[:keep] + "..."


def _console(line: dict[str, Any]) -> str:
    failure = line.pop("exception", None)
    head = f"{line.pop('time')} {str(line.pop('level')).upper():<8} {_one_line(line.pop('event'))}"
    fields = "".join(f" {_one_line(key)}={_one_line(value)}" for key, value in line.items())
    if not isinstance(failure, dict):
        return head + fields + ("" if failure is None else f" exception={_one_line(failure)}")
    return head + fields + "".join("\n    " + row for row in str(failure.get("traceback", "")).rstrip().split("\n"))


def _one_line(value: Any) -> str:
    """A newline in a value must not look like a new record."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\n", "\\n")
