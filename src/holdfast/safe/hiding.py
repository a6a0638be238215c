"""The deny rules of a workspace, told to a program that searches by itself, in the words of its own patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from holdfast.safe.names import RESERVED

_SPECIAL = re.compile(r"[*?\[]")


def exclusions(words: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """``words`` once for each pattern: ``{}`` becomes a gitignore pattern, ``{path}`` one for the whole path.

    Never narrower than the rule: fnmatch's ``*`` crosses folders and gitignore's does not, so of a pattern with folders
    everything beneath the part before its first wildcard is left out, and everything when there is no such part.
    """
    found = []
    for pattern in (f"{RESERVED}*", *patterns):
        ignored = _gitignore(pattern)
        path = ignored[1:] if ignored.startswith("/") else f"**/{ignored}"
        found += [word.replace("{path}", path).replace("{}", ignored) for word in words]
    return found


def _gitignore(pattern: str) -> str:
    parts = pattern.strip("/").split("/")
    if len(parts) == 1:
        return _escaped(parts[0])
    plain = next((index for index, part in enumerate(parts) if _SPECIAL.search(part)), len(parts))
    return "/" + ("/".join(_escaped(part) for part in parts[:plain]) or "*")


def _escaped(part: str) -> str:
    """What means nothing to fnmatch, and something there: braces, the backslash, a leading ``!`` or ``#``."""
    text = re.sub(r"[\\{}]", r"\\\g<0>", part)
    return f"\\{text}" if text[:1] in "!#" else text
