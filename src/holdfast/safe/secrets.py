"""Secrets: the registry that redacts those of this server wherever they leave it, and the type that hides one."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from holdfast.errors import ConfigurationError, InvalidArguments
from holdfast.safe import patterns
from holdfast.safe.encodings import forms
from holdfast.safe.handle import Handle
from holdfast.safe.patterns import PERSONAL, RULES, Rule

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler

    from holdfast.safe.sandbox import Sandbox

MAX_VALUES: Final = 1_000
MIN_LENGTH: Final = 6
MAX_LENGTH: Final = 64 << 10  # characters; a PEM bundle fits
_PIECE: Final = 1 << 18  # characters searched at once, so that a flood of matches stays small in memory
_DFA_UP_TO: Final = 100_000  # characters of patterns; beyond it a DFA would take tens of megabytes

_NAME: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_INVISIBLE: Final = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\U000e0000-\U000e0fff]+"
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text without secrets, and the names of the rules that took something out; the same object if none did."""

    text: str
    hits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Search:
    """What is looked for at one moment: one automaton over all forms and keywords, and what each of them means."""

    automaton: Any
    meaning: tuple[str | Rule, ...]
    longest: int

    def hits(self, text: str) -> Iterator[tuple[str | Rule, int, int]]:
        for base in range(0, len(text), _PIECE):
            piece = text if len(text) <= _PIECE else text[base : base + _PIECE + self.longest - 1]
            for index, start, end in self.automaton.find_matches_as_indexes(piece, overlapping=True):
                yield self.meaning[index], base + start, base + end


class SecretRegistry:
    """Knows this server's own secrets by value, and others by their form; takes both out of text.

    Values are found plain, reversed, hex, percent-encoded, JSON-escaped and in base64 at each offset, also when split
    by invisible characters. ``personal=True`` adds e-mail addresses, card and account numbers and telephone numbers.
    At most 1,000 values. Safe to use from several threads; cannot be pickled, so that it cannot travel.
    """

    def __init__(self, *, personal: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._personal = PERSONAL if personal else ()
        self._values: dict[str, tuple[str, float | None]] = {}
        self._lock = threading.Lock()
        self._search: _Search | None = None
        self._expiry: float | None = None

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<SecretRegistry of {len(self)}>"

    def __reduce__(self) -> Any:
        raise TypeError("a registry of secrets does not leave its process")

    def add(self, value: str, name: str, *, expires_in: float | None = None) -> None:
        """Redact ``value`` as ``[redacted:name]`` from now on, or for ``expires_in`` seconds.

        Raises ``ConfigurationError``: fewer than 6 or more than 65,536 characters, a name that is not plain or holds the
        value, or more than 1,000 values.
        """
        value = value.strip()
        if not MIN_LENGTH <= len(value) <= MAX_LENGTH:
            raise ConfigurationError(f"a secret must have {MIN_LENGTH} to {MAX_LENGTH} characters to be redacted")
        if not _NAME.fullmatch(name) or value in name:
            raise ConfigurationError("a secret's name is 1 to 64 letters, digits, dots, colons or dashes, not its value")
        with self._lock:
            self._purge()
            if value not in self._values and len(self._values) >= MAX_VALUES:
                raise ConfigurationError(f"more than {MAX_VALUES} secrets; remove those no longer used")
            self._values[value] = (name, None if expires_in is None else self._now() + expires_in)
            self._changed()

    def remove(self, value: str) -> None:
        """Forget ``value``; not knowing it is fine."""
        with self._lock:
            if self._values.pop(value.strip(), None) is not None:
                self._changed()

    def redact(self, text: str) -> Redacted:
        """``text`` with every secret replaced by ``[redacted:<rule>]``. Linear in time."""
        search = self._current()
        if not text.isascii():
            text = _SURROGATE.sub("\ufffd", text)
        cuts = () if text.isascii() else tuple(match.span() for match in _INVISIBLE.finditer(text))
        seen = _INVISIBLE.sub("", text) if cuts else text
        spans = sorted(_spans(search, self._personal, seen))
        if not spans:
            return Redacted(text, ())
        return _replaced(text, _original(spans, cuts) if cuts else spans)

    def _current(self) -> _Search:
        search, expiry = self._search, self._expiry
        if search is not None and (expiry is None or self._now() < expiry):
            return search
        with self._lock:
            self._purge()
            if self._search is None:
                self._search = _build((value, name) for value, (name, _) in self._values.items())
            return self._search

    def _purge(self) -> None:
        if self._expiry is not None and self._now() >= self._expiry:
            now = self._now()
            self._values = {v: (n, until) for v, (n, until) in self._values.items() if until is None or until > now}
            self._changed()

    def _changed(self) -> None:
        self._search = None
        self._expiry = min((until for _, until in self._values.values() if until is not None), default=None)


def require() -> None:
    """Say at build time that text can be redacted. Raises ``ConfigurationError``."""
    patterns.require()
    _build([])


def _build(values: Iterable[tuple[str, str]]) -> _Search:
    try:
        from ahocorasick_rs import AhoCorasick, Implementation
    except ImportError:
        raise ConfigurationError("redaction needs Aho-Corasick: install the package ahocorasick-rs") from None
    # A keyword comes before a value that happens to be spelled alike, so both keep their meaning.
    pairs: list[tuple[str, str | Rule]] = [(word, rule) for rule in RULES for word in patterns.spellings(rule)]
    for value, name in values:
        pairs += [(_INVISIBLE.sub("", form) or form, name) for form in forms(value)]
    words = [word for word, _ in pairs]
    kind = Implementation.DFA if sum(map(len, words)) <= _DFA_UP_TO else None
    automaton = AhoCorasick(words, store_patterns=False, implementation=kind)
    return _Search(automaton, tuple(meaning for _, meaning in pairs), max(map(len, words)))


def _spans(search: _Search, personal: tuple[Rule, ...], text: str) -> Iterator[tuple[int, int, str]]:
    starts: defaultdict[Rule, set[int]] = defaultdict(set)
    for meaning, start, end in search.hits(text):
        if isinstance(meaning, str):
            yield start, end, meaning
        else:
            starts[meaning].add(start)
    for rule, places in starts.items():
        flood = len(places) > 64 + len(text) // 256  # then one pass over all of it costs less
        found = patterns.found_in(rule, text) if flood else patterns.found_at(rule, text, sorted(places))
        yield from ((first, last, rule.name) for first, last in found)
    for rule in personal:
        if not rule.keywords or rule.keywords[0] in text:
            yield from ((first, last, rule.name) for first, last in patterns.found_in(rule, text))


def _original(spans: list[tuple[int, int, str]], cuts: tuple[tuple[int, int], ...]) -> list[tuple[int, int, str]]:
    """The same spans in the text from which the ``cuts`` had been taken."""
    at, shift, removed = [], [0], 0
    for start, end in cuts:
        at.append(start - removed)
        removed += end - start
        shift.append(removed)
    return [
        (first + shift[bisect_right(at, first)], last + shift[bisect_right(at, last - 1)], name)
        for first, last, name in spans
    ]


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> Redacted:
    """Overlapping spans become one, named after the first; spans ascend."""
    merged: list[tuple[int, int, str]] = []
    for first, last, name in spans:
        if merged and first < merged[-1][1]:
            start, end, kept = merged[-1]
            merged[-1] = (start, max(end, last), kept)
        else:
            merged.append((first, last, name))
    pieces, done = [], 0
    for first, last, name in merged:
        pieces += [text[done:first], f"[redacted:{name}]"]
        done = last
    return Redacted("".join([*pieces, text[done:]]), tuple(sorted({name for _, _, name in merged})))


class SecretValue(Handle):
    """An argument that is a secret: it prints, serialises and logs as ``[secret]``; ``reveal()`` gives the value.

    Equal and hashable by value. Its JSON does not tell two secrets apart, so a cache must key on the handle itself or
    on ``fingerprint``.
    """

    __slots__ = ("_value",)

    describe = "a secret; it is never shown or logged"
    json_format = "password"

    def __init__(self, value: str, sandbox: Sandbox | None) -> None:
        super().__init__("[secret]", sandbox)
        self._value = value

    @classmethod
    def from_text(cls, text: str, sandbox: Sandbox | None) -> Self:
        """Seal a value of any form. Raises ``InvalidArguments`` when it is empty."""
        if not text:
            raise InvalidArguments("a secret must not be empty")
        return cls(text, sandbox)

    def reveal(self) -> str:
        """The value; the caller of this method is responsible for where it goes."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """128 bits that tell values apart, for keys in memory; never for logs (a short secret can be guessed from it)."""
        return hashlib.blake2b(self._value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and hmac.compare_digest(self.fingerprint, other.fingerprint)

    def __hash__(self) -> int:
        return hash((SecretValue, self.fingerprint))

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).from_text, (self._value, self._sandbox))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**super().__get_pydantic_json_schema__(schema, handler), "writeOnly": True}
