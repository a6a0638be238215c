"""One pass that takes known values and known forms of secrets out of text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from holdfast.safe import patterns
from holdfast.safe.patterns import Rule
from holdfast.safe.search import Hit, Search, restored
from holdfast.safe.text import INVISIBLE, visible

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MARKER: Final = re.compile(r"\[redacted:([\w.:-]{1,64})\]", re.ASCII)
_ROUNDS: Final = 8  # what was taken out can bring a rule's match together beside it; two rounds, as a rule
_PATIENT: Final = 4  # rounds after which whole words go: somebody has chained matches to one another
_BLANK: Final = re.compile(r"\s")

Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text without secrets, and the names of the rules that took something out; the same object if none did."""

    text: str
    hits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Redaction:
    """All that is looked for: values and rules by their words, and ``personal`` rules over the whole text."""

    searches: tuple[Search, ...]
    personal: tuple[Rule, ...] = ()

    def redact(self, text: str, *, known: int = 0) -> Redacted:
        """``text`` with every secret replaced by ``[redacted:<rule>]``. Linear in its length, and idempotent.

        The first ``known`` characters have left already, and stay as they are.
        """
        if not text.isascii():
            text = _SURROGATE.sub("\ufffd", text)
        hits: set[str] = set()
        for number in range(_ROUNDS):
            found = self.spans(text)
            if known:
                found = [(max(first, known), last, name) for first, last, name in found if last > known]
            if not found:
                break
            if number >= _PATIENT:
                found = _apart((first, _end_of_word(text, last), name) for first, last, name in found)
            text = replaced(text, found)
            hits.update(name for _, _, name in found)
        return Redacted(text, tuple(sorted(hits)))

    def spans(self, text: str) -> list[Span]:
        """Where secrets stand, ascending and apart; overlapping ones are one, named after the first."""
        plain = text.isascii()
        raw = text.encode("utf-8", "replace")
        shown = raw if plain else visible(raw)
        if not self.personal and all(search.silent(shown) for search in self.searches):
            return []
        cuts = () if shown == raw else tuple(match.span() for match in INVISIBLE.finditer(text))
        seen = INVISIBLE.sub("", text) if cuts else text
        found = list(self._found(seen, seen.encode("utf-8", "replace") if cuts else raw))
        if cuts:
            found = [(first, last, name) for first, last, name in restored(found, cuts) if isinstance(name, str)]
        return _apart(_with_unseen(self._unmarked(text, found), cuts)) if found else []

    def straddling(self, texts: Sequence[str]) -> list[Span]:
        """Values that stand across the borders of adjacent ``texts``, as places in all of them joined."""
        joined = "".join(texts)
        raw = joined.encode("utf-8", "replace")
        if not any(search.may_be_split(raw) for search in self.searches):
            return []
        borders, at = set(), 0
        for text in texts:
            at += len(text)
            borders.add(at)
        edges = sorted(borders)
        return [span for span in self.spans(joined) if _crosses(span, edges) and self._is_value(span[2])]

    def quiet(self, raw: bytes) -> bool:
        """Whether no string in this JSON (of ``pydantic_core.to_json``) may have to be altered."""
        return not self.personal and all(search.quiet(raw) for search in self.searches)

    def _is_value(self, name: str) -> bool:
        return any(name in search.values for search in self.searches)

    def _found(self, text: str, raw: bytes) -> Iterator[Span]:
        starts: defaultdict[Rule, list[int]] = defaultdict(list)
        hits = [hit for search in self.searches for hit in search.hits(raw)]
        for first, last, meaning in hits if len(raw) == len(text) else in_characters(raw, hits):
            if isinstance(meaning, str):
                yield first, last, meaning
            else:
                starts[meaning].append(first)
        for rule, places in starts.items():
            yield from ((first, last, rule.name) for first, last in patterns.found(rule, text, places))
        for rule in self.personal:
            if not rule.keywords or rule.keywords[0] in text:
                yield from ((first, last, rule.name) for first, last in patterns.found_in(rule, text))

    def _unmarked(self, text: str, found: list[Span]) -> list[Span]:
        """Without what stands inside of an earlier redaction: a value may be a part of the mark itself."""
        if "[redacted:" not in text:
            return found
        marks = [match for match in _MARKER.finditer(text) if self._is_name(match[1])]
        if not marks:
            return found
        begins = [mark.start() for mark in marks]
        return [
            span for span in found
            if not (at := bisect_right(begins, span[0])) or span[1] > marks[at - 1].end()
        ]  # fmt: skip

    def _is_name(self, name: str) -> bool:
        return any(name in search.names for search in self.searches) or any(rule.name == name for rule in self.personal)


def _with_unseen(found: list[Span], cuts: Sequence[tuple[int, int]]) -> list[Span]:
    """With the invisible characters right beside them: what those belonged to goes, and alone they would be hidden."""
    if not cuts:
        return found
    before, behind = {end: start for start, end in cuts}, dict(cuts)
    return [(before.get(first, first), behind.get(last, last), name) for first, last, name in found]


def _end_of_word(text: str, at: int) -> int:
    blank = _BLANK.search(text, at)
    return len(text) if blank is None else blank.start()


def _crosses(span: Span, edges: list[int]) -> bool:
    """Whether one of the ``edges`` is inside; the last of them is the end of the text, so one is always ahead."""
    return edges[bisect_right(edges, span[0])] < span[1]


def in_characters(raw: bytes, hits: list[Hit]) -> list[Hit]:
    """The same places, counted in characters."""
    at = {0: 0}
    for before, here in pairwise(sorted({0, *(edge for hit in hits for edge in hit[:2])})):
        at[here] = at[before] + len(raw[before:here].decode("utf-8", "ignore"))
    return [(at[first], at[last], meaning) for first, last, meaning in hits]


def _apart(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for first, last, name in sorted(spans):
        if merged and first < merged[-1][1]:
            start, end, kept = merged[-1]
            merged[-1] = (start, max(end, last), kept)
        else:
            merged.append((first, last, name))
    return merged


def replaced(text: str, spans: Iterable[Span]) -> str:
    """``text`` with a mark in the place of each of the ``spans``, which ascend and do not overlap."""
    pieces, done = [], 0
    for first, last, name in spans:
        pieces += [text[done:first], f"[redacted:{name}]"]
        done = last
    return "".join([*pieces, text[done:]])
