"""The two kinds of pattern that grants are written in: for names, and for texts made of components."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from unicodedata import category, normalize
from urllib.parse import unquote

from holdfast.errors import ConfigurationError

MAX_PATTERN: Final = 1_024
"""Characters of one pattern; a path that is longer than that has a prefix that can be named."""
_WILD: Final = frozenset("*?")
_MISLEADING: Final = re.compile(r"[\x00-\x1f\x7f\\/]|%u[0-9a-f]{4}", re.IGNORECASE)
"""What some reader takes for a separator or an end, or encodes one (IIS): no wildcard matches what holds it."""

MAX_ODD: Final = 65_536
"""Characters of a text in which something has to be decoded (5 us a component, measured); a longer one fits no
wildcard."""
_ODD: Final = re.compile(r"[^\x21-\x7e]|[%;\\]")
_DOTS: Final = re.compile(r"(?:^|/)\.\.?(?:/|\Z)")

Matches = Callable[[str], bool]


def name_pattern(text: str) -> Matches:
    """Whether a name fits: ``*`` is any characters, ``?`` is one, everything else is itself; case matters.

    Raises ``ConfigurationError`` for an empty or very long pattern.
    """
    _check(text)
    if not _WILD & set(text):
        return text.__eq__
    return _compiled("".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in text))


def text_pattern(text: str) -> Matches:
    """Whether a text fits, component by component between slashes.

    ``*`` is any characters of one component and ``?`` is one; ``**`` as a whole component is any number of them, and at
    the end at least one (``docs/**`` is all that lies beneath ``docs``, not ``docs``). Without any of these the text is
    itself. A wildcard never fits a component that leads elsewhere: an empty one, ``.``, ``..``, one with a backslash or
    a control character, or one that becomes such a thing for some reader: percent-decoded, in the compatible form of
    its characters (U+2025 is two dots), without what is invisible, without the dots and blanks at its end (Windows) or
    what follows a semicolon (servlets). So a plain text that nobody has normalised cannot climb out of what was
    granted. In the host of an address (``https://*.example.com/**``) no wildcard fits ``?``, ``#`` or ``@``, which
    would make another host of it. Linear in the text (RE2). Raises ``ConfigurationError``.
    """
    _check(text)
    if not _WILD & set(text):
        return text.__eq__
    parts = text.split("/")
    if any(part and _leads_elsewhere(part) for part in parts):
        raise ConfigurationError("a pattern with * or ? has no component that leads elsewhere: name each place itself")
    host = 2 if parts[0].endswith(":") and parts[1:2] == [""] else None
    last = len(parts) - 1
    fits = _compiled(
        "".join(_component(part, at == last, "/?#@" if at == host else "/") for at, part in enumerate(parts))
    )
    root = "." if text == "**" else None  # a folder's own name for itself, which is beneath everything
    return lambda value: value == root or (fits(value) and _straight(value))


def _component(part: str, last: bool, never: str) -> str:
    """One component; ``never``: what no wildcard in it fits."""
    if part == "**":
        return "[^/]+(?:/[^/]+)*" if last else "(?:[^/]+/)*"
    if set(part) == {"*"}:
        return f"[^{never}]+" + ("" if last else "/")
    pieces = ({"*": f"[^{never}]*", "?": f"[^{never}]"}.get(char) or re.escape(char) for char in part)
    return "".join(pieces) + ("" if last else "/")


def _straight(value: str) -> bool:
    """Whether every component is what it seems. An empty one fits only where the pattern has one too: ``https://``."""
    if _ODD.search(value) is None:  # nothing to decode and nothing to drop: what is left are the dots
        return _DOTS.search(value) is None
    return len(value) <= MAX_ODD and not any(part and _leads_elsewhere(part) for part in value.split("/"))


def _leads_elsewhere(part: str) -> bool:
    """Decoded twice, as a proxy and a server behind it would; what is encoded more often than that is suspect."""
    for _ in range(3):
        plain = part if part.isascii() else _compatible(part)
        if _is_no_name(plain.partition(";")[0]) or _MISLEADING.search(plain):
            return True
        if "%" not in part:
            return False
        try:
            decoded = unquote(part, errors="strict")
        except UnicodeDecodeError:  # overlong forms of ASCII among others
            return True
        if decoded == part:
            return False
        part = decoded
    return True


def _is_no_name(part: str) -> bool:
    return part in ("", ".", "..") or (part[0] == "." and " " in part and not part.strip(". "))


def _compatible(part: str) -> str:
    return "".join(char for char in normalize("NFKC", part) if category(char) != "Cf")


def _check(text: str) -> None:
    if not 0 < len(text) <= MAX_PATTERN:
        raise ConfigurationError(f"a pattern has 1 to {MAX_PATTERN} characters")


def _compiled(expression: str) -> Matches:
    import re2  # 3 MB and 15 ms that only servers with patterns need

    fullmatch: Any = re2.compile(f"(?s){expression}").fullmatch

    def matches(value: str) -> bool:
        try:
            return fullmatch(value) is not None
        except UnicodeEncodeError:  # a lone surrogate, which no name and no text of ours holds
            return False

    return matches
