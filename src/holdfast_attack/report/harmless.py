"""Makes what came from a server fit to be shown: what a terminal would obey or nobody would see becomes an escape."""

from __future__ import annotations

import re
from typing import Final

from holdfast.safe.text import INVISIBLE, clean

LONGEST: Final = 2000
"""Characters of one text that are shown; the JSON report holds all of it."""
_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_BYTES: Final = range(0xDC80, 0xDD00)  # what `surrogateescape` makes of a byte that is no UTF-8 (PEP 383)


def plain(char: str) -> bool:
    """Whether a reader sees this character as what it is, and no terminal obeys it."""
    return char.isprintable() and INVISIBLE.match(char) is None


def escape(char: str) -> str:
    """``char`` as Python writes it in a string: ``\\x1b``, ``\\u202e``, ``\\n``."""
    if ord(char) in _BYTES:
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def escaped(text: str, keep: str = "") -> str:
    """``text`` with every character that is not plain as an escape, but those in ``keep``."""
    if text.isascii() and text.isprintable():
        return text
    return clean("".join(char if char in keep or plain(char) else escape(char) for char in text))


def one_line(text: str, most: int = LONGEST) -> str:
    """The first ``most`` characters of ``text``, harmless, with blanks and line ends as single blanks."""
    line = escaped(_BLANKS.sub(" ", text[:most]).strip())
    return line if len(text) <= most else f"{line}... ({len(text):,} characters)"


def decoded(data: bytes) -> str:
    """``data`` as text, in which a byte that is no UTF-8 is a lone surrogate that ``escape`` knows."""
    return data.decode("utf-8", "surrogateescape")


def bytes_in_line(data: bytes, most: int) -> str:
    """``data`` in one line of about ``most`` characters: UTF-8 as text, everything else as escapes."""
    shown: list[str] = []
    room = most
    for char in decoded(data[:most]):
        shown.append(char if plain(char) else escape(char))
        room -= len(shown[-1])
        if room <= 0:
            break
    line = clean("".join(shown))
    whole = len(data) <= most and room > 0
    return line if whole else f"{line}... ({len(data):,} bytes)"


def printable(data: bytes) -> str | None:
    """``data`` as text when it is UTF-8 in which everything can be seen, line ends and tabs included; else None."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(char in "\n\r\t" or plain(char) for char in text) else None


def sentence(text: str) -> str:
    """``text`` with a full stop, where it ends with nothing of that kind."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def encodable(text: str) -> str:
    """``text`` without lone surrogates, which no UTF-8 can hold: each becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
