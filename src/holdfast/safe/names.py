"""The lexical rules of a path: what may be asked for at all, decided on the text alone and alike on every platform."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Sequence
from itertools import combinations
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
MAX_OPTIONAL: Final = 4
"""Most ``**/`` in one deny pattern: each doubles the patterns that it stands for."""
RESERVED: Final = ".holdfast-"
"""How the names of our temporary files begin; never readable, writable or listed, whatever the deny rules say."""

# Cc and Cs, the two Unicode line separators, and what separates folders, drives and streams on Windows.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\:]")
_WILD: Final = re.compile(r"[*?\[]")
_ABSOLUTE: Final = re.compile(r"[/\\]|[A-Za-z]:")
# learn.microsoft.com/windows/win32/fileio/naming-a-file; NFKC has turned the superscripts of COM¹-COM³ into digits.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9])")
# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt): a case-folding ext4 or f2fs directory ignores them
# all, and not all of them are of category Cf: the variation selectors and the Hangul fillers are not.
_IGNORED: Final = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
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

    HFS+ ignores zero-width characters (CVE-2014-9390), ext4 with case folding every default-ignorable one, NTFS drops
    trailing dots and spaces, and all three ignore case.
    """
    return (name.lower() if name.isascii() else _fold(name)).rstrip(". ")


def _fold(text: str) -> str:
    kept = "".join(c for c in _IGNORED.sub("", text) if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", kept).casefold())


def is_ours(name: str) -> bool:
    """Whether a name is one of those that our temporary files have."""
    return fold(name).startswith(RESERVED)


class Deny:
    """A root's deny rules, compiled: patterns with a ``/`` match whole paths and all beneath, others each component.

    Patterns are fnmatch patterns and ignore case; ``**/`` also stands for no directory, and what ``NAME/**`` denies
    includes ``NAME``. Raises ``ConfigurationError`` for a pattern that could never match a name that is taken: it would
    be a rule that its author believes in.
    """

    __slots__ = ("_names", "_paths", "fixed", "patterns")

    def __init__(self, patterns: Sequence[str] = DEFAULT_DENY) -> None:
        if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
            raise ConfigurationError("deny takes a sequence of patterns")
        self.patterns = tuple(patterns)
        forms = {form for pattern in patterns for form in _forms(pattern)}
        self._names = _compiled(sorted(form for form in forms if "/" not in form))
        self._paths = _compiled(sorted(form for form in forms if "/" in form))
        self.fixed = tuple(sorted(form for form in forms if "/" in form and not _WILD.search(form)))
        """The patterns that name one path each, as they were written."""

    def hides(self, name: str) -> bool:
        """Whether one component is denied."""
        if is_ours(name):
            return True
        if not self.patterns:
            return False
        folded = fold(name)
        return bool(_SHORT_NAME.fullmatch(folded) or (self._names and self._names.fullmatch(folded)))

    def hides_path(self, parts: Sequence[str]) -> bool:
        """Whether a pattern with a ``/`` denies the path or a directory above it."""
        if self._paths is None:
            return False
        folded = [fold(part) for part in parts]
        return any(self._paths.fullmatch("/".join(folded[:end])) for end in range(1, len(folded) + 1))


def _forms(pattern: str) -> set[str]:
    """The patterns that one stands for. Raises ``ConfigurationError`` where no name that is taken could match."""
    plain = pattern.removeprefix("./").strip("/").removesuffix("/**")
    for piece in plain.split("/"):
        if not piece or piece[-1] in ". " or _FORBIDDEN.search(piece):
            raise ConfigurationError(
                "a deny pattern is a name, or a path relative to the root, with / between names: "
                "never empty, and without backslashes, colons, or a dot or space at the end of a name"
            )
    pieces = plain.split("/")
    optional = [place for place, piece in enumerate(pieces[:-1]) if piece == "**"]
    if len(optional) > MAX_OPTIONAL:
        raise ConfigurationError(f"a deny pattern has at most {MAX_OPTIONAL} times **/")
    left_out = (set(some) for count in range(len(optional) + 1) for some in combinations(optional, count))
    return {"/".join(piece for place, piece in enumerate(pieces) if place not in out) for out in left_out}


def _compiled(patterns: list[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(_fold(pattern)) for pattern in patterns))


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
