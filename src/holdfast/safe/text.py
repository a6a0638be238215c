"""Text that goes out: terminal sequences, control characters and hidden text removed, in one fixed order."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_C1_STRINGS = "\x90\x98\x9d-\x9f"  # DCS SOS OSC PM APC as single characters (ECMA-48, 5.6)
_JOINERS = "\u200c\u200d"  # ZWNJ, ZWJ
_MARKS = "\u061c\u200e\u200f"  # ALM, LRM, RLM: kept, but a run of them can carry bits
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_TAGS = "\U000e0020-\U000e007f"
_EMOJI = (  # the ranges that hold all of Extended_Pictographic (Unicode 15.1, emoji-data.txt)
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_IDEOGRAPHS = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_VARYING = (
    "\u1000-\u109f\u2200-\u22ff\u2a00-\u2aff\u3001\u3002\uff01-\uff60\uaa60-\uaa7f"  # Myanmar, operators, punctuation
)
_JOINING = (  # scripts spelled with ZWJ or ZWNJ: Arabic, Syriac, N'Ko, Mandaic, Indic, Tibetan, Khmer, Mongolian
    "\u0620-\u065f\u066e-\u06dc\u06df-\u06ef\u06fa-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u17d3"
    "\u1820-\u18aa\u1a20-\u1aad\u1b00-\u1bf3\ua800-\ua82c\ua840-\ua877\ua880-\ua8c5\ua8e0-\ua8ff\ua930-\ua953\ua980-\ua9c0\ua9e0-\ua9fe"
    "\uaa60-\uaa7f\uabc0-\uabed\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00010a00-\U00010aff\U00010d00-\U00010fff"
    "\U00011000-\U00011fff\U0001e900-\U0001e95f"
)
_UNSPACED = (  # scripts that are written without blanks, and mark where a line may break with a zero-width space
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u104e-\u109d\u1780-\u17b3\u17b6-\u17d3\u17d7"
    "\u1950-\u1974\u1980-\u19c9\u1a20-\u1a7c\u1b00-\u1b4b\ua980-\ua9c0\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaadf"
)
_MONGOLIAN = "\u1820-\u18aa"
_DOTS = "\u2801-\u28ff"  # Braille patterns but the blank one
_SPACERS = "\u180e\u200b\u2800"  # Mongolian vowel separator, zero-width space, Braille blank
_NEVER = (  # removed wherever it stands; the part up to U+FFFF
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed; DEL; C1
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u202a-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0"
    "\ufff0-\ufffb\ufffe\uffff"
)
# Above U+FFFF the classes list what is allowed, most frequent first: a set with many ranges costs 130 ms a MiB, and
# this 9 ms (measured). Left out: shorthand and musical format controls, plane 14, the last two of each plane.
_HIGH = "\x00-\uffff\U00010000-\U0001bc9f\U0001bca4-\U0001d172\U0001d17b-\U0001fffd" + "".join(
    f"{chr(plane << 16)}-{chr((plane << 16) + 0xFFFD)}" for plane in (*range(2, 14), 15, 16)
)

_TWICE: Final = f"{_NEVER}{_SPACERS}{_JOINERS}{_MARKS}\u180b-\u180d\u180f\ufe00-\ufe0f\u2028\u2029"
_SUSPECT: Final = re.compile(f"[{_TWICE}\ud800-\udfff]")
_SUSPECT_HIGH: Final = f"[^{_HIGH}]"
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {0x09, 0x0A})
INVISIBLE: Final = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]+"
)
"""What a reader does not see, whether or not it stays in text: no secret is split by it."""
_UNSEEN: Final = tuple(
    (prefix, re.compile(prefix + rest))
    for prefix, rest in (
        (b"\xc2\xad", b""), (b"\xcd\x8f", b""), (b"\xd8\x9c", b""), (b"\xe1\x85", b"[\x9f\xa0]"),
        (b"\xe1\x9e", b"[\xb4\xb5]"), (b"\xe1\xa0", b"[\x8b-\x8f]"), (b"\xe2\x80", b"[\x8b-\x8f\xaa-\xae]"),
        (b"\xe2\x81", b"[\xa0-\xaf]"), (b"\xe2\xa0\x80", b""), (b"\xe3\x85\xa4", b""), (b"\xef\xb8", b"[\x80-\x8f]"),
        (b"\xef\xbb\xbf", b""), (b"\xef\xbe\xa0", b""), (b"\xf3\xa0", b"[\x80-\xbf]{2}"),
    )
)  # fmt: skip
"""The same in UTF-8, by what it begins with: thirty times as fast as one class of characters, where there is none."""
_ASCII: Final = bytes(range(0x80))
_INTRODUCERS: Final = frozenset("\x1b\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f")
_SURROGATE_FOUND: Final = "\ud800"
_HIGH_FOUND: Final = "\U0010ffff"
_JUDGED: Final = frozenset(f"{_SPACERS}{_JOINERS}{_MARKS}{_HIGH_FOUND}\u180b\u180c\u180d\u180f") | set(
    map(chr, range(0xFE00, 0xFE10))
)
"""What is not hidden wherever it stands."""
_SPARED: Final = frozenset(f"{_MARKS}{_SPACERS}\x1b")
"""What no joiner and no selector is among."""
SEQUENCES: Final = re.compile(
    # String sequences first: two-byte ESC first would leave their payload (measured). An unterminated one ends with
    # its line or after 4,096 characters; a lone C1 character is more often broken encoding, so it takes only itself.
    "\x1b[\\]PX^_][^\x07\x1b\x9c\n]{0,4096}+(?:\x07|\x1b\\\\|\x9c)?"
    f"|[{_C1_STRINGS}][^\x07\x1b\x9c\n{_C1_STRINGS}]{{0,4096}}+(?:\x07|\x1b\\\\|\x9c)"
    "|(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+[@-~]?"  # CSI
    "|\x1b[ -/]*+[0-~]?"  # two-byte escape sequences, with intermediate bytes
)
"""What a terminal obeys, with its payload."""
_HIDDEN: Final = re.compile(f"[{_NEVER}]+")
_HIDDEN_HIGH: Final = f"[^{_HIGH}{_TAGS}\U000e0100-\U000e01ef]+"
_TAG_RUN: Final = re.compile(
    # U+1F3F4, letters and digits, CANCEL TAG is a flag (UTS #51, emoji_tag_sequence); any other tag is hidden text.
    f"(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{{3,6}}\U000e007f)|[{_TAGS}]+"
)
_STRAY_SELECTOR: Final = (  # Unicode 15.1, StandardizedVariants.txt and the ideographic variation database
    f"[{_SELECTORS}](?<![{_EMOJI}][\ufe0e\ufe0f])(?<![#*0-9]\ufe0f(?=\u20e3))"
    f"(?<![{_IDEOGRAPHS}][\ufe00-\ufe02\U000e0100-\U000e01ef])(?<![{_VARYING}][\ufe00\ufe01])"
    "(?<![\u1820-\u18aa][\u180b-\u180d\u180f])"
)
_STRAY_JOINER: Final = (  # selectors are right by now, so that U+FE0F ends an emoji
    f"[{_JOINERS}](?<![{_EMOJI}\ufe0f]\u200d(?=[{_EMOJI}]))(?<![{_JOINING}][{_JOINERS}](?![{_JOINERS}]))"
)
_STRAY_SPACER: Final = (
    f"[{_SPACERS}](?<![{_UNSPACED}]\u200b(?=[{_UNSPACED}]))(?<![{_DOTS}]\u2800(?=[{_DOTS}]))"
    f"(?<![{_MONGOLIAN}]\u180e(?=[{_MONGOLIAN}]))"
)
_MARK_RUN: Final = re.compile(f"([{_MARKS}])[{_MARKS}]+")

STEADY: Final = re.compile(
    f"[^{_NEVER}{_SPACERS}\ud800-\udfff{_EMOJI}{_JOINERS}{_MARKS}{_SELECTORS}{_TAGS}\u20e3\u0300-\u036f]"
)
"""A character before which text may be parted, but behind ``SPACERS``: nothing is judged by the other side."""
SPACERS: Final = frozenset(_SPACERS)
"""What is judged by what stands before and behind it."""
OPEN_SEQUENCE: Final = re.compile(
    f"(?:\x1b[\\]PX^_]|[{_C1_STRINGS}])[^\x07\x1b\x9c\n{_C1_STRINGS}]{{0,4096}}\x1b?\\Z"
    "|(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+\\Z|\x1b[ -/]*+\\Z"
)
"""A terminal's sequence that may go on after the end of the text."""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Four patterns wait for the first text that needs them: together they take 15 ms to compile, at every start."""
    return re.compile(pattern)


def clean(text: str) -> str:
    """``text`` without what a reader cannot see and a terminal would obey; the same object if there is nothing to do.

    The order: lone surrogates become U+FFFD (pairs become their character); ESC and C1 sequences, string sequences
    first; control characters but tab and line feed; invisible characters, bidirectional overrides and tag characters.
    Kept: ZWJ in emoji sequences, ZWJ and ZWNJ after letters of scripts spelled with them, single direction marks,
    variation selectors after a character that takes them, flags; a single zero-width space between letters of scripts
    without blanks (Thai, Lao, Burmese, Khmer and their kin), a single Braille blank between Braille patterns and a
    vowel separator between Mongolian letters. Linear in time and idempotent. U+2028 and U+2029 become line feeds.
    """
    found = _suspicious(text)
    if not found:
        return text
    if _SURROGATE_FOUND in found:
        return clean(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    if not found.isdisjoint(_INTRODUCERS):
        text = SEQUENCES.sub("", text)
    if found - _JUDGED:
        text = _HIDDEN.sub("", text).replace("\u2028", "\n").replace("\u2029", "\n")
    if _HIGH_FOUND in found:
        text = _TAG_RUN.sub(r"\1", _compiled(_HIDDEN_HIGH).sub("", text))
    if not found.isdisjoint(_SPACERS):
        text = _compiled(_STRAY_SPACER).sub("", text)
    if found - _SPARED:
        text = _compiled(_STRAY_SELECTOR).sub("", text)
        text = _compiled(_STRAY_JOINER).sub("", text)
    return _MARK_RUN.sub(r"\1", text) if not found.isdisjoint(_MARKS) else text


def _suspicious(text: str) -> frozenset[str] | set[str]:
    """The characters of ``text`` that have to be judged; one stands for all above U+FFFF, one for all surrogates."""
    if text.isascii():
        bare = len(text.encode().translate(None, _CONTROLS)) == len(text)  # 1 ms a MiB, where ``re`` takes 7
        return frozenset() if bare else frozenset("\x1b")
    found = set(_SUSPECT.findall(text))
    if any("\ud800" <= char <= "\udfff" for char in found):
        return frozenset(_SURROGATE_FOUND)
    # No surrogates from here on, so UTF-16 is longer only if there are characters above U+FFFF.
    if len(text.encode("utf-16-le")) != 2 * len(text) and _compiled(_SUSPECT_HIGH).search(text) is not None:
        found.add(_HIGH_FOUND)
    return found


def visible(raw: bytes) -> bytes:
    """UTF-8 without what ``INVISIBLE`` matches; the same object if there is none."""
    high = raw.translate(None, _ASCII)  # little is left of most text; what stands in ``raw`` stands in it too
    for prefix, pattern in _UNSEEN:
        if prefix in high and prefix in raw:
            raw = pattern.sub(b"", raw)
    return raw


def suspects() -> set[str]:
    """The characters from U+0080 to U+FFFF that ``clean`` looks at twice; ``suspect_high`` tells of those above."""
    found = set()
    for one in re.finditer("(.)(?:-(.))?", _TWICE, re.DOTALL):
        found |= set(map(chr, range(ord(one[1]), ord(one[2] or one[1]) + 1)))
    return {char for char in found if char >= "\x80"}


def suspect_high(raw: bytes) -> bool:
    """Whether this UTF-8 holds a character above U+FFFF that ``clean`` looks at twice."""
    return bool(raw.translate(None, _BELOW)) and _compiled(_SUSPECT_HIGH).search(raw.decode()) is not None


_BELOW: Final = bytes(range(0xF0))  # no byte of UTF-8 from here on but the first of four (RFC 3629)
_EXTENDS: Final = re.compile(
    f"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e3a"
    f"\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f\U0001f3fb-\U0001f3ff{_JOINERS}{_SELECTORS}{_TAGS}]"
)
_LONGEST_CLUSTER: Final = 32  # characters that are given up at most; the longest emoji sequence has ten


def truncate(text: str, max_bytes: int) -> tuple[str, bool]:
    """``text`` in at most ``max_bytes`` bytes of UTF-8, with a marker at the end if it was cut; and whether it was.

    Cuts between code points, and where possible not inside an accented letter, an emoji sequence or a flag. The
    marker counts towards ``max_bytes``; where it does not fit it is left out. Expects cleaned text.
    """
    max_bytes = max(max_bytes, 0)
    if len(text) * 4 <= max_bytes or (len(text) <= max_bytes and len(text.encode("utf-8", "replace")) <= max_bytes):
        return text, False
    marker = f"\n[truncated: the whole text is longer than {max_bytes} bytes]"
    if len(marker) > max_bytes:
        marker = ""
    room = max_bytes - len(marker)
    kept = text[:room].encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return _whole(text, len(kept)) + marker, True


def _whole(text: str, end: int) -> str:
    """``text[:end]``, shortened to the last boundary between what readers see as characters."""
    for cut in range(end, max(end - _LONGEST_CLUSTER, 0), -1):
        if not _splits(text, cut):
            return text[:cut]
    return text[:end] if end > _LONGEST_CLUSTER else ""


def _splits(text: str, cut: int) -> bool:
    """Whether a cut before ``text[cut]`` falls inside one character as readers see it."""
    if text[cut - 1] == "\u200d" or _EXTENDS.match(text, cut):
        return True
    flags = 0  # regional indicators come in pairs
    while "\U0001f1e6" <= text[cut] <= "\U0001f1ff" and flags < min(cut, 2 * _LONGEST_CLUSTER):
        if not "\U0001f1e6" <= text[cut - 1 - flags] <= "\U0001f1ff":
            break
        flags += 1
    return flags % 2 == 1
