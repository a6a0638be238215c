"""How a secret that is known by its form only is looked for: at its keyword, by an expression of linear time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Final

from holdfast.errors import ConfigurationError

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """A form of secret: ``pattern`` (RE2, on UTF-8 bytes) is tried where one of ``keywords`` stands, never elsewhere.

    The first group that took part, or else the whole match, is what gets redacted. ``boundary`` wants no letter or
    digit before the match, ``fold`` ignores case, ``window`` is how far (characters) a match may reach, ``lead`` how
    far before the keyword it begins. ``accept(text, first, last)`` has the last word.
    """

    name: str
    keywords: tuple[str, ...]
    pattern: str
    boundary: bool = True
    fold: bool = False
    window: int = 512
    lead: int = 0
    accept: Callable[[str, int, int], bool] | None = None
    block: tuple[str, str, int] | None = None
    """For what has an end of its own: how its last line begins and ends, and how far away (characters) it may be."""

    @property
    def reach(self) -> int:
        """Characters from a keyword within which a match of it ends."""
        return self.window if self.block is None else self.window + self.block[2] + 80


_KEY_MATERIAL: Final = Rule(
    "key-material",
    (),
    r"(?:(?:\s|\\[nr])*(?:(?:Proc-Type|DEK-Info|Version|Comment): [^\r\n]{0,100}|[0-9A-Za-z+/=]{16,}))*",
)


@cache
def _compiled(rule: Rule) -> Any:
    """RE2 runs in linear time; Python's ``re`` was a hundred times slower on such rules (0.04 against 4-23 MiB/s)."""
    try:
        import re2
    except ImportError:
        raise ConfigurationError("redaction needs RE2: install the package google-re2") from None
    return re2.compile((("(?i)" if rule.fold else "") + rule.pattern).encode())


def require() -> None:
    """Raises ``ConfigurationError`` when RE2 is not installed.

    It is loaded, and a rule compiled, when that rule's keyword is first seen (3 MB and 15 ms that most servers never
    need); a rule that did not compile would keep its answer back, and a test compiles them all.
    """
    if find_spec("re2") is None:
        raise ConfigurationError("redaction needs RE2: install the package google-re2")


def found(rule: Rule, text: str, starts: Iterable[int]) -> Iterator[Span]:
    """The spans that ``rule`` matches where its keywords stand (``starts``). Linear in the length of ``text``."""
    places = sorted(set(starts))
    if rule.block is not None:
        return _blocks(rule, text, places, rule.block)
    # A flood of keywords: then one pass over the whole text costs less than a look at each.
    return _flooded(rule, text, places) if len(places) > 64 + len(text) // 256 else _found_at(rule, text, places)


def _flooded(rule: Rule, text: str, places: list[int]) -> Iterator[Span]:
    """One pass over the whole text, and a look at each keyword inside of what it matched but was not accepted."""
    for first, last, accepted in _judged(rule, text):
        if accepted:
            yield first, last
        else:
            yield from _found_at(rule, text, places[bisect_left(places, first) : bisect_left(places, last)])


def _blocks(rule: Rule, text: str, starts: list[int], block: tuple[str, str, int]) -> Iterator[Span]:
    """From a first line to its last line; where that is missing, to the end of what looks like key material."""
    last_line, closing, reach = block
    end = done = 0
    for first, begun in _found_at(rule, text, starts):
        if first < done:
            continue
        if 0 <= end < begun:  # looked for again only when passed, and never again once there is none
            end = text.find(last_line, begun)
        if 0 <= end <= begun + reach:
            close = text.find(closing, end + len(last_line), end + len(last_line) + 80)
            done = close + len(closing) if close >= 0 else end
        else:
            raw = text[begun : begun + reach].encode("utf-8", "replace")
            done = begun + _characters(raw[: _compiled(_KEY_MATERIAL).match(raw).end()])
        yield first, done


def _found_at(rule: Rule, text: str, starts: Iterable[int]) -> Iterator[Span]:
    done = 0
    for start in starts:
        start -= rule.lead
        if start < done or _is_inside(rule, text, start, done):
            continue
        raw = text[start : start + rule.window].encode("utf-8", "replace")
        match = _compiled(rule).match(raw)
        if match is not None:
            first, last = (start + _characters(raw[:at]) for at in _group(match))
            if _accepted(rule, text, first, last):
                done = last
                yield first, last


def found_in(rule: Rule, text: str) -> Iterator[Span]:
    """The spans that ``rule`` matches anywhere: one linear pass, for personal data."""
    return ((first, last) for first, last, accepted in _judged(rule, text) if accepted)


def _judged(rule: Rule, text: str) -> Iterator[tuple[int, int, bool]]:
    """What ``rule`` matches, one behind the other, and whether it is accepted."""
    raw = text.encode("utf-8", "replace")
    spans = [_group(match) for match in _compiled(rule).finditer(raw)]
    at = {0: 0}
    for before, here in pairwise(sorted({0, *(edge for span in spans for edge in span)})):
        at[here] = at[before] + _characters(raw[before:here])
    done = 0
    for first, last in ((at[one], at[two]) for one, two in spans):
        accepted = not _is_inside(rule, text, first, done) and _accepted(rule, text, first, last)
        done = last if accepted else done
        yield first, last, accepted


def _is_inside(rule: Rule, text: str, first: int, done: int) -> bool:
    """Whether a match would begin inside of a word; behind another one (``done``) the mark of that one will stand."""
    return rule.boundary and 0 < first != done and _is_word(text[first - 1])


def _accepted(rule: Rule, text: str, first: int, last: int) -> bool:
    if first == last or text.startswith("[redacted:", first):
        return False
    return rule.accept is None or rule.accept(text, first, last)


def _group(match: Any) -> Span:
    for index in range(1, 1 + match.re.groups):
        if match.start(index) >= 0:
            return match.span(index)  # type: ignore[no-any-return]  # re2 has no types
    return match.span()  # type: ignore[no-any-return]  # re2 has no types


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _characters(raw: bytes) -> int:
    return len(raw.decode("utf-8", "ignore"))
