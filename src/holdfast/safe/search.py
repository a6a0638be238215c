"""What is looked for at one moment: forms of values and keywords of rules, and automata over all of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic_core import to_json

from holdfast.errors import ConfigurationError
from holdfast.safe.encodings import caseless, forms
from holdfast.safe.folding import canonical, is_wrapped, loose, unwrapped
from holdfast.safe.naming import KEY_ENDINGS
from holdfast.safe.patterns import Rule
from holdfast.safe.text import INVISIBLE, suspect_high, suspects

Hit = tuple[int, int, str | Rule]
"""Where it begins and ends, in bytes, and the name of the value or the rule whose keyword it is."""
_Meaning = tuple[bytes | None, "str | Rule"]
"""How the form is spelled, as ``canonical`` writes it (``None``: in either case), and what it means."""

_PIECE: Final = 1 << 18  # bytes searched at once, so that a flood of matches stays small in memory
_DFA_UP_TO: Final = 30_000  # bytes of patterns: 10 ms to build; beyond, a slower automaton that is built faster
_LEAST: Final = 6  # bytes of a form without blanks: a shorter one would turn up in ordinary text
_EITHER_CASE: Final = 16  # characters of a value that is found in either case: nobody writes it by chance
_SIGN: Final = 3  # bytes that tell most places from the beginning of a word
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPES: Final = (b"\\u", b"\\b", b"\\f", b"\\r", b"\x7f")
"""How JSON writes the control characters that do not leave; also found behind an escaped backslash, to no harm."""
_TEXT_BLOCK: Final = b'"type":"text"'


@dataclass(frozen=True)
class Search:
    """What is looked for: each word in lower case, and what it means. ``names`` are those of rules and
    values, ``values`` those of values alone.

    Each automaton is built at its first use: 2 ms for one value, 20 ms for 20, half a second for 1,000 (measured).
    """

    words: dict[bytes, tuple[_Meaning, ...]]
    names: frozenset[str]
    values: frozenset[str]

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest word."""
        return max(map(len, self.words), default=0)

    @cached_property
    def _main(self) -> tuple[Any, tuple[tuple[_Meaning, ...], ...]]:
        return _automaton(list(self.words)), tuple(self.words.values())

    @cached_property
    def _forms(self) -> tuple[bytes, ...]:
        return tuple(word for word, meaning in self.words.items() if any(isinstance(m, str) for _, m in meaning))

    @cached_property
    def _sieve(self) -> tuple[Any, int] | None:
        """An automaton over ``loose`` text, for values in text that was wrapped or split; and its longest word."""
        written = {to_json(word.decode("utf-8", "replace"))[1:-1] for word in self._forms}
        words = {word for word in map(loose, {*self._forms, *written}) if len(word) >= _LEAST}
        return (_automaton(sorted(words)), max(map(len, words))) if words else None

    @cached_property
    def _sentinel(self) -> tuple[Any, int]:
        """An automaton over JSON, and the bytes of its longest word. It knows each word as it is and as JSON writes
        it, and whatever ``clean`` may take out: where it finds nothing, nothing is to be altered in any string."""
        inner = {ending.replace(b'":', b"\\") for ending in KEY_ENDINGS}  # in JSON that is a string of this one
        words = {*_ESCAPES, *KEY_ENDINGS, *inner, *map(str.encode, suspects())}
        for word in self.words:
            words |= {word, to_json(word.decode("utf-8", "replace"))[1:-1]}
        return _automaton(sorted(words)), max(map(len, words))

    def prepare(self) -> None:
        """Build the automata now, in this thread, and not when the first text is looked at."""
        for raw in (b"{}", b"\\n"):
            self.quiet(raw)
            self.silent(raw)

    def quiet(self, raw: bytes) -> bool:
        """Whether no string in this JSON, as ``pydantic_core.to_json`` writes it, may have to be altered."""
        if _found(*self._sentinel, raw.lower()):
            return False
        if self._forms and (raw.count(_TEXT_BLOCK) > 1 or self.may_be_split(raw)):
            return False
        return raw.isascii() or not suspect_high(raw)

    def may_be_split(self, raw: bytes) -> bool:
        """Whether a value may stand in ``raw`` in pieces; ``False`` is certain."""
        return self._sieve is not None and _found(*self._sieve, loose(raw))

    def silent(self, raw: bytes) -> bool:
        """Whether no form and no keyword stands in ``raw``: then no value and no pattern can."""
        if _found(self._main[0], self.longest, raw.lower()):
            return False
        return not (is_wrapped(raw) and self.may_be_split(raw))

    @cached_property
    def _sorted(self) -> tuple[list[bytes], frozenset[bytes]]:
        return sorted(self.words), frozenset(word[:_SIGN] for word in self.words)

    def begun(self, raw: bytes, least: int) -> int | None:
        """How many bytes at the end of ``raw``, in lower case, are the beginning of a word: ``least`` or more."""
        words, signs = self._sorted
        for at in range(max(0, len(raw) - self.longest + 1), len(raw) - least + 1):
            if len(raw) - at >= _SIGN and raw[at : at + _SIGN] not in signs:
                continue
            begun = raw[at:]
            place = bisect_right(words, begun)  # a whole one has not only begun
            if place < len(words) and words[place].startswith(begun):
                return len(begun)
        return None

    def hits(self, raw: bytes) -> Iterator[Hit]:
        """Every value and keyword in ``raw``, and every value that is wrapped into lines in it."""
        yield from self._exact(raw, raw.lower())
        if is_wrapped(raw) and self.may_be_split(raw):
            yield from self._wrapped(raw)

    def _exact(self, raw: bytes, folded: bytes) -> Iterator[Hit]:
        automaton, meanings = self._main
        for base in range(0, len(folded), _PIECE):
            piece = folded if len(folded) <= _PIECE else folded[base : base + _PIECE + self.longest - 1]
            for index, start, end in automaton.find_matches_as_indexes(piece, overlapping=True):
                for spelled, meaning in meanings[index]:
                    if spelled is None or _is_spelled(raw[base + start : base + end], spelled):
                        yield base + start, base + end, meaning

    def _wrapped(self, raw: bytes) -> Iterator[Hit]:
        for joined, cuts in unwrapped(raw):
            found = [hit for hit in self._exact(joined, joined.lower()) if isinstance(hit[2], str)]
            yield from restored(found, cuts)


def _is_spelled(found: bytes, spelled: bytes) -> bool:
    return found == spelled or canonical(found) == spelled


def restored(found: Iterable[Hit], cuts: tuple[tuple[int, int], ...]) -> Iterator[Hit]:
    """The same places in the text from which the ``cuts`` had been taken."""
    at, shift, removed = [], [0], 0
    for start, end in cuts:
        at.append(start - removed)
        removed += end - start
        shift.append(removed)
    for first, last, meaning in found:
        yield first + shift[bisect_right(at, first)], last + shift[bisect_right(at, last - 1)], meaning


def build(values: Iterable[tuple[str, str]], rules: tuple[Rule, ...]) -> Search:
    """Prepare the search for ``(value, name)`` pairs. Raises ``ConfigurationError`` when a library is missing."""
    library()
    words: dict[bytes, set[_Meaning]] = {}
    names: set[str] = set()
    for rule in rules:
        for word in rule.keywords:
            spelled = None if rule.fold else word.encode()
            words.setdefault(word.lower().encode(), set()).add((spelled, rule))
    for value, name in values:
        names.add(name)
        for form in forms(value):
            seen = canonical(_seen(form))
            either = form in (value, value[::-1]) and len(value) >= _EITHER_CASE
            words.setdefault(seen.lower(), set()).add((None if either else seen, name))
        for form in caseless(value):
            words.setdefault(form.encode(), set()).add((None, name))
    known = names | {rule.name for rule in rules}
    return Search({word: tuple(found) for word, found in words.items()}, frozenset(known), frozenset(names))


def _seen(form: str) -> bytes:
    """A form as it is when invisible characters and halves of characters have been taken out of the text."""
    return _SURROGATE.sub("\ufffd", INVISIBLE.sub("", form) or form).encode()


def _found(automaton: Any, longest: int, raw: bytes) -> bool:
    if len(raw) <= _PIECE:
        return bool(automaton.find_matches_as_indexes(raw))
    view = memoryview(raw)
    return any(
        automaton.find_matches_as_indexes(view[base : base + _PIECE + longest - 1])
        for base in range(0, len(raw), _PIECE)
    )


def _automaton(words: list[bytes]) -> Any:
    made = library()
    kind = made.Implementation.DFA if sum(map(len, words)) <= _DFA_UP_TO else made.Implementation.ContiguousNFA
    return made.BytesAhoCorasick(words, implementation=kind)


def library() -> Any:
    """The Aho-Corasick library. Raises ``ConfigurationError`` when it is not installed."""
    try:
        import ahocorasick_rs
    except ImportError:
        raise ConfigurationError("redaction needs Aho-Corasick: install the package ahocorasick-rs") from None
    return ahocorasick_rs
