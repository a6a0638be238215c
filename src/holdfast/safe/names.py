"""The lexical rules of a path: what may be asked for at all, decided on the text alone and alike on every platform."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from holdfast.errors import ConfigurationError, UnsafePath

DEFAULT_DENY: Final[tuple[str, ...]] = (".*",)
"""Dotfiles: ``.git`` (hooks and configuration run code), ``.env``, ``.ssh`` and their like."""

MAX_TEXT: Final = 4096
"""Longest path in characters (PATH_MAX, linux/limits.h)."""
MAX_COMPONENT: Final = 255
"""Longest component in UTF-8 bytes (NAME_MAX, linux/limits.h)."""
MAX_DEPTH: Final = 128
"""Most components; bounds the work of a walk a component at a time."""
RESERVED: Final = ".holdfast-"
"""How the names of our temporary files begin; never readable, writable or listed, whatever the deny rules say."""

# Cc and Cs, the two Unicode line separators, and what separates folders, drives and streams on Windows.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\:]")
_ABSOLUTE: Final = re.compile(r"[/\\]|[A-Za-z]:")
# learn.microsoft.com/windows/win32/fileio/naming-a-file; NFKC has turned the superscripts of COM¹-COM³ into digits.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9])")
# 8.3 names (GIT~1 is .git, CVE-2014-9390; GI7EB1~1 is the hashed form): an alias that no deny pattern could foresee.
_SHORT_NAME: Final = re.compile(r"(?=[^.]{3,8}(\.|$))[^.~]{1,6}~[0-9]{1,6}(\.[^.]{0,3})?")


def outside() -> UnsafePath:
    """The refusal of a path that would leave the root."""
    return UnsafePath("the path leaves the workspace; send a path relative to the workspace", code="path.outside")


def hidden() -> UnsafePath:
    """The refusal of a path that the deny rules hide, whether or not it exists."""
    return UnsafePath(
        "that name is hidden in this workspace; list the directory to see what is there", code="path.hidden"
    )


def bad_name(why: str) -> UnsafePath:
    """The refusal of a name that is unacceptable as a name."""
    return UnsafePath(f"the path is not acceptable: {why}", code="path.name")


def fold(name: str) -> str:
    """One spelling for all that some file system takes for the same name: case, width, ignorables, trailing dots.

    HFS+ ignores zero-width characters (CVE-2014-9390), NTFS drops trailing dots and spaces, both ignore case.
    """
    if name.isascii():
        return name.lower().rstrip(". ")
    kept = "".join(character for character in name if unicodedata.category(character) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", kept).casefold())
    return folded.rstrip(". ")


class Deny:
    """A root's deny rules, compiled: patterns with a ``/`` match whole paths and all beneath, others each component.

    Patterns are fnmatch patterns and ignore case. Raises ``ConfigurationError`` for a pattern that is empty.
    """

    __slots__ = ("_names", "_paths", "patterns")

    def __init__(self, patterns: Sequence[str] = DEFAULT_DENY) -> None:
        if isinstance(patterns, str) or not all(p.strip("/") for p in patterns):
            raise ConfigurationError("deny takes a sequence of patterns, none of them empty")
        self.patterns = tuple(patterns)
        plain = [pattern.strip("/") for pattern in patterns]
        self._names = _compiled([pattern for pattern in plain if "/" not in pattern])
        self._paths = _compiled([pattern for pattern in plain if "/" in pattern])

    def hides(self, name: str) -> bool:
        """Whether one component is denied."""
        folded = fold(name)
        if folded.startswith(RESERVED):
            return True
        if not self.patterns:
            return False
        return bool(_SHORT_NAME.fullmatch(folded) or (self._names and self._names.fullmatch(folded)))

    def hides_path(self, parts: Sequence[str]) -> bool:
        """Whether a pattern with a ``/`` denies the path or a directory above it."""
        if self._paths is None:
            return False
        folded = [fold(part) for part in parts]
        return any(self._paths.fullmatch("/".join(folded[:end])) for end in range(1, len(folded) + 1))


def _compiled(patterns: list[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    folded = (unicodedata.normalize("NFKC", pattern.casefold()) for pattern in patterns)
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in folded))


def check_name(name: str, deny: Deny) -> None:
    """Refuse one component that is not a portable, visible name. Raises ``UnsafePath``."""
    if _FORBIDDEN.search(name):
        raise bad_name("control characters, backslashes and colons are not taken")
    if len(name.encode("utf-8")) > MAX_COMPONENT:
        raise bad_name(f"a name is longer than {MAX_COMPONENT} bytes")
    folded = fold(name)
    if not folded or name[-1] in ". ":
        raise bad_name("a name may not end with a dot or a space")
    if _DEVICE.fullmatch(folded.split(".", 1)[0].strip()):
        raise bad_name("device names such as CON or NUL are not taken")
    if deny.hides(name):
        raise hidden()


def check_path(parts: Sequence[str], deny: Deny) -> None:
    """Refuse a path of acceptable names that is too deep, too long, or denied as a whole. Raises ``UnsafePath``."""
    if len(parts) > MAX_DEPTH:
        raise bad_name(f"it is more than {MAX_DEPTH} directories deep")
    if sum(map(len, parts)) + len(parts) > MAX_TEXT:
        raise bad_name(f"it is longer than {MAX_TEXT} characters")
    if deny.hides_path(parts):
        raise hidden()


def admits(parents: Sequence[str], name: str, deny: Deny) -> bool:
    """Whether ``name`` in the directory ``parents`` (already checked) could be asked for: the rule of listings."""
    try:
        check_name(name, deny)
        check_path((*parents, name), deny)
    except UnsafePath:
        return False
    return True


def parse(text: str, deny: Deny) -> tuple[str, ...]:
    """The checked components of a relative posix path, ``.`` and ``..`` resolved lexically; empty for the root.

    Every component that was sent is checked, also those that a later ``..`` takes back. Nothing is decoded: ``%2e``
    is three characters of a file's name. Raises ``UnsafePath`` (path.outside, path.name, path.hidden).
    """
    if len(text) > MAX_TEXT:
        raise bad_name(f"it is longer than {MAX_TEXT} characters")
    if _ABSOLUTE.match(text):
        raise outside()
    parts: list[str] = []
    for piece in text.split("/"):
        if piece == "..":
            if not parts:
                raise outside()
            parts.pop()
        elif piece not in ("", "."):
            check_name(piece, deny)
            parts.append(piece)
    check_path(parts, deny)
    return tuple(parts)
