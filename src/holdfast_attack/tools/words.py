"""Names and sentences as lower-case words, so that `filePath`, `file_path` and `file-path` are one."""

from __future__ import annotations

import re

LONGEST = 2_000
"""Characters that are looked at: a description may be megabytes of lies."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a name or a sentence, in their order; what is not ASCII letters or digits only separates."""
    return tuple(found.lower() for found in _WORDS.findall(text[:LONGEST]))


def singular(word: str) -> str:
    """`paths` is `path`, `directories` is `directory`; `address`, `status`, `axis` and `ms` stay."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word
