"""Searching text files beneath a root for a pattern, in a thread and within bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from holdfast.errors import UnsafePath
from holdfast.safe import listing
from holdfast.safe.folder import Folder
from holdfast.safe.stoppable import Stop

MAX_SEARCHED: Final = 256 << 20
"""Bytes of files that one search reads in all."""
MAX_FILES: Final = 10_000
"""Files that one search opens at most."""
MAX_LEVELS: Final = 32
"""Directories down that a search goes."""
MAX_SHOWN: Final = 500
"""Characters of a found line that are given, around the place that was found."""
_STOP_EACH: Final = 1_024
"""Lines between two looks at whether anybody still waits."""


class Pattern(Protocol):
    """What is looked for: ``holdfast.safe.expressions.Pattern``, whose time is linear in the text."""

    @property
    def most(self) -> int:
        """Bytes of text that may be looked through in one file."""
        ...

    def find(self, text: str) -> int | None:
        """The character at which the first match begins."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A found line: the file's ``path`` relative to the root, its ``number`` from 1, and ``text`` (at most 500
    characters of it)."""

    path: str
    number: int
    text: str


def search(
    stop: Stop, where: tuple[Folder, Sequence[str]], pattern: Pattern, files: str | None, limit: int
) -> tuple[list[Line], bool]:
    """At most ``limit`` found lines in the order of their paths, and whether there may be more.

    ``files`` as ``listing.matcher`` takes it. Files that are not UTF-8, too large for the root, or gone are passed by;
    one that is too long for so costly a pattern is searched from its beginning.
    Raises ``UnsafePath`` (path.too_many past ``MAX_FILES``).
    """
    folder, parts = where
    found: list[Line] = []
    searched, more = 0, False
    for text in listing.files(folder, tuple(parts), listing.matcher(files), MAX_FILES, MAX_LEVELS):
        stop()
        try:
            data = folder.read_bytes(text.split("/"))
        except UnsafePath:
            continue  # nothing to show for it
        searched += len(data)  # whatever it is: a thousand large files that are no text are read too
        content = _text(data)
        cut = _beginning(content, pattern.most)
        more = more or cut is not content
        for line in _lines(stop, text, cut, pattern):
            if len(found) >= limit:
                return found, True
            found.append(line)
        if searched > MAX_SEARCHED:
            return found, True
    return found, more


def _text(data: bytes) -> str:
    """Empty for what is no text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def _beginning(content: str, most: int) -> str:
    """The whole lines within ``most`` bytes; the same object when that is all of it."""
    if len(content) * 4 <= most or len(content.encode()) <= most:
        return content
    kept = content.encode()[:most]
    return kept[: kept.rfind(b"\n") + 1].decode()


def _lines(stop: Stop, path: str, content: str, pattern: Pattern) -> Iterator[Line]:
    for number, line in enumerate(content.split("\n"), 1):
        if number % _STOP_EACH == 0:
            stop()
        at = pattern.find(line)
        if at is not None:
            first = max(0, min(at - MAX_SHOWN // 4, len(line) - MAX_SHOWN))
            yield Line(path, number, line[first : first + MAX_SHOWN].removesuffix("\r"))
