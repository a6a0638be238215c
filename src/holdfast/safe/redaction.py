"""One pass that takes known values and known forms of secrets out of text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic_core import to_json

from holdfast.errors import ConfigurationError
from holdfast.safe import patterns
from holdfast.safe.encodings import forms
from holdfast.safe.patterns import RULES, Rule
from holdfast.safe.text import suspect_high, suspects

_PIECE: Final = 1 << 18  # characters searched at once, so that a flood of matches stays small in memory
_DFA_UP_TO: Final = 100_000  # characters of patterns; beyond it a DFA would take tens of megabytes

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


_ESCAPES: Final = (b"\\u", b"\\b", b"\\f", b"\\r", b"\x7f")
"""How JSON writes the control characters that do not leave; also found behind an escaped backslash, to no harm."""


@dataclass(frozen=True)
class Search:
    """What is looked for at one moment: forms and keywords, what each of them means, and automata over all of them.

    Each automaton is built at its first use: 30 ms for 20 values, about a second for 1,000 (measured).
    """

    words: tuple[str, ...]
    meaning: tuple[str | Rule, ...]

    @cached_property
    def longest(self) -> int:
        return max(map(len, self.words))

    @cached_property
    def automaton(self) -> Any:
        library = _library()
        return library.AhoCorasick(self.words, store_patterns=False, implementation=self._kind(library))

    @cached_property
    def sentinel(self) -> tuple[Any, int]:
        """An automaton over JSON, and the bytes of its longest word. It knows each word as it is and as JSON writes
        it, and whatever ``clean`` may take out: where it finds nothing, nothing is to be altered in any string."""
        library = _library()
        words = {*_ESCAPES, *map(str.encode, suspects())}
        for word in self.words:
            raw = word.encode("utf-8", "replace")
            words |= {raw, to_json(raw.decode())[1:-1]}
        if _SURROGATE.search("".join(self.words)):
            words.add(b'"')  # how such a word is searched for is the library's affair: so no JSON is quiet
        return library.BytesAhoCorasick(sorted(words), implementation=self._kind(library)), max(map(len, words))

    def _kind(self, library: Any) -> Any:
        return library.Implementation.DFA if sum(map(len, self.words)) <= _DFA_UP_TO else None

    def quiet(self, raw: bytes) -> bool:
        """Whether no string in this JSON, as ``pydantic_core.to_json`` writes it, may have to be altered."""
        automaton, longest = self.sentinel
        if len(raw) <= _PIECE:
            if automaton.find_matches_as_indexes(raw):
                return False
        else:
            view = memoryview(raw)
            for base in range(0, len(raw), _PIECE):
                if automaton.find_matches_as_indexes(view[base : base + _PIECE + longest - 1]):
                    return False
        return raw.isascii() or not suspect_high(raw)

    def silent(self, text: str) -> bool:
        """Whether no form and no keyword stands in ``text``: then no value and no pattern can."""
        return len(text) <= _PIECE and not self.automaton.find_matches_as_indexes(text)

    def hits(self, text: str) -> Iterator[tuple[str | Rule, int, int]]:
        for base in range(0, len(text), _PIECE):
            piece = text if len(text) <= _PIECE else text[base : base + _PIECE + self.longest - 1]
            for index, start, end in self.automaton.find_matches_as_indexes(piece, overlapping=True):
                yield self.meaning[index], base + start, base + end


def build(values: Iterable[tuple[str, str]]) -> Search:
    """Prepare the search for ``(value, name)`` pairs. Raises ``ConfigurationError`` when a library is missing."""
    _library()
    # A keyword comes before a value that happens to be spelled alike, so both keep their meaning.
    pairs: list[tuple[str, str | Rule]] = [(word, rule) for rule in RULES for word in patterns.spellings(rule)]
    for value, name in values:
        pairs += [(_INVISIBLE.sub("", form) or form, name) for form in forms(value)]
    return Search(tuple(word for word, _ in pairs), tuple(meaning for _, meaning in pairs))


def _library() -> Any:
    try:
        import ahocorasick_rs
    except ImportError:
        raise ConfigurationError("redaction needs Aho-Corasick: install the package ahocorasick-rs") from None
    return ahocorasick_rs


def redact(search: Search, personal: tuple[Rule, ...], text: str) -> Redacted:
    """``text`` without what ``search`` and the ``personal`` rules find. Linear in its length."""
    if not personal and text.isascii() and search.silent(text):
        return Redacted(text, ())
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    cuts = () if text.isascii() else tuple(match.span() for match in _INVISIBLE.finditer(text))
    seen = _INVISIBLE.sub("", text) if cuts else text
    spans = sorted(_spans(search, personal, seen))
    if not spans:
        return Redacted(text, ())
    return _replaced(text, _original(spans, cuts) if cuts else spans)


def _spans(search: Search, personal: tuple[Rule, ...], text: str) -> Iterator[tuple[int, int, str]]:
    starts: defaultdict[Rule, set[int]] = defaultdict(set)
    for meaning, start, end in search.hits(text):
        if isinstance(meaning, str):
            yield start, end, meaning
        else:
            starts[meaning].add(start)
    for rule, places in starts.items():
        yield from ((first, last, rule.name) for first, last in patterns.found(rule, text, places))
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
