"""Text that leaves in chunks: cleaned and redacted as one text, no more held back than may be half of something."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from holdfast.safe.folding import is_wrapped, unwrapped
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.patterns import Rule
from holdfast.safe.redaction import Redaction, in_characters, replaced
from holdfast.safe.search import Search, restored
from holdfast.safe.text import INVISIBLE, OPEN_SEQUENCE, SEQUENCES, SPACERS, STEADY, clean

HELD: Final = 16_384
"""Characters held back at most, of text and of an escape sequence each; beyond, what is held leaves as it is found."""
_FAR: Final = 256  # characters and sequences looked back across; 23 us each, and each chunk may ask for it again
_CONTEXT: Final = 100  # characters before a match that a rule may look at
_WORD: Final = re.compile(r"[\w~.+/=%&:@-]{1,80}\Z")
_UNASSIGNED: Final = re.compile(r"(?:[:=>\"'\\]|bearer|basic|token)\s*\Z", re.IGNORECASE)
_WRAPPED_LEAST: Final = 4  # bytes of a value that is broken by a line's end; fewer stand at the end of any line
_PAUSED_LEAST: Final = 3  # bytes that keep waiting in a pause; fewer end nearly every word


class Streaming:
    """A filter for one stream: what ``feed`` returns may leave at once, and ``flush`` gives the rest at the end.

    All of it together is what ``Outgoing.text`` would have made of the whole text, except that a value of more than
    16,384 characters is not found across chunks. Not for several threads at once.
    """

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._raw = ""
        self._text = ""
        self._before = ""

    def feed(self, chunk: str) -> str:
        """Take the next piece of text; return what can no longer become part of a secret."""
        raw = self._raw + chunk
        cut = _steady(raw)
        self._raw = raw[cut:]
        self._text += clean(raw[:cut])
        return self._settled(_held_from)

    def pause(self) -> str:
        """Nothing may come for a while: return what is held, but for what may be the beginning of something known."""
        return self._settled(lambda redaction, text: _held_from(redaction, text, whole_words=False))

    def flush(self) -> str:
        """The end of the text, or of what may be waited for: return all that is held."""
        self._text += clean(self._raw)
        self._raw = ""
        return self._settled(lambda redaction, text: len(text))

    def _settled(self, held_from: Callable[[Redaction, str], int]) -> str:
        if not self._text:
            return ""
        redaction = self._outgoing.redaction
        text, known = self._before + self._text, len(self._before)
        end = max(known, held_from(redaction, text))
        spans = [(max(first, known), last, name) for first, last, name in redaction.spans(text) if last > known]
        for first, last, _ in spans:
            if first < end < last:  # it may grow, so it waits; but not for ever
                end = first if len(text) - first <= HELD else last
        spans = [span for span in spans if span[1] <= end]
        self._outgoing.tell({name for _, _, name in spans})
        # what has left stays before the text: whether a match begins inside of a word is seen by it alone
        out = redaction.redact(replaced(text[:end], spans), known=known).text[known:]
        self._before = (self._before + out)[-_CONTEXT:]
        self._text = text[end:]
        return out


def _steady(raw: str) -> int:
    """Up to where cleaning does not depend on what comes next."""
    last = raw[-1:]
    plain = last.isascii() and (last.isalpha() or last in "\n \t.,;:!?)]}\"'")
    end = len(raw) if plain and not _ends_sequence(raw) else _last_steady(raw)
    open_ = OPEN_SEQUENCE.search(raw, max(0, len(raw) - HELD // 2))
    if open_ is not None:
        end = min(end, open_.start())
    return end if len(raw) - end <= HELD else len(raw)


def _ends_sequence(raw: str) -> bool:
    """Whether the end is a terminal's sequence's: then what stands before that will be the last character."""
    return any(found.end() == len(raw) for found in SEQUENCES.finditer(raw, max(0, len(raw) - 256)))


def _last_steady(raw: str) -> int:
    """The last place where nothing on either side is judged by the other; sequences go, so what they part is joined."""
    near = max(0, len(raw) - 256)
    begins = {found.end(): found.start() for found in SEQUENCES.finditer(raw)}
    sequences = [(first, last) for last, first in begins.items() if last > near]
    for found in reversed(list(STEADY.finditer(raw, near))):
        at = found.start()
        # what goes wherever it stands parts nothing: marks on both sides of it would be a run, and carry bits
        if clean(found[0]) and not any(first < at < last for first, last in sequences):
            before = _before(raw, at, begins)
            if before is not None and raw[max(0, before - 1) : before] not in SPACERS:
                return at
    return 0


def _before(raw: str, at: int, begins: dict[int, int]) -> int | None:
    """Behind what ``at`` will stand, once all between them is gone that goes wherever it stands; ``None``: too far."""
    for _ in range(_FAR):
        if not (at in begins or (at and raw[at - 1] not in SPACERS and not clean(raw[at - 1]))):
            return at
        at = begins.get(at, at - 1)
    return None


def _held_from(redaction: Redaction, text: str, *, whole_words: bool = True) -> int:
    """Up to where no secret can begin that is not whole yet."""
    end = len(text)
    word = _WORD.search(text, max(0, end - 80)) if whole_words else None
    held = word.start() if word is not None else end
    for search in redaction.searches:
        held = min(held, _begun(search, text, 1 if whole_words else _PAUSED_LEAST), _unfinished(search, text))
    return max(_steady_before(text, held), end - HELD)


def _steady_before(text: str, end: int) -> int:
    """Not inside of what a reader sees as one character."""
    while 0 < end < len(text) and STEADY.match(text, end) is None:
        end -= 1
    return end


def _begun(search: Search, text: str, least: int) -> int:
    """Where the earliest form or keyword begins of which the end of ``text`` may be the beginning."""
    tail = INVISIBLE.sub("", text[-HELD:]).encode("utf-8", "replace").lower()
    counts = [search.begun(tail, least)]
    for joined, cuts in unwrapped(tail) if is_wrapped(tail) else ():
        count = search.begun(joined, _WRAPPED_LEAST)
        if count:
            begin = len(joined) - count
            counts += [len(tail) - first for first, _, _ in restored([(begin, begin + 1, "")], cuts)]
    return min((_place(text, count) for count in counts if count), default=len(text))


def _place(text: str, count: int) -> int:
    """Where the last ``count`` bytes of ``text`` begin, invisible characters apart."""
    at = len(text)
    while count > 0:  # never past the beginning: those bytes are of this text
        at -= 1
        if INVISIBLE.match(text[at]) is None:
            count -= len(text[at].encode("utf-8", "replace"))
    return at


def _unfinished(search: Search, text: str) -> int:
    """Where the earliest keyword stands whose rule could still match more than there is."""
    raw = text[-HELD:].encode("utf-8", "replace")
    base, held = len(text) - min(len(text), HELD), len(text)
    for first, _, meaning in in_characters(raw, list(search.hits(raw))):
        if isinstance(meaning, Rule) and not _is_settled(meaning, text[base + first :]):
            held = min(held, max(0, base + first - meaning.lead))
    return held


def _is_settled(rule: Rule, rest: str) -> bool:
    if len(rest) > rule.reach:
        return True
    if rule.block is not None:
        return False
    line = rest.rfind("\n")  # a value may also begin on the line after its name
    return line >= 0 and not any(_UNASSIGNED.search(part) for part in (rest, rest[:line]))
