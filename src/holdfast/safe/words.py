"""What a word of an argument list may be: its characters, its length, its pattern, and the length of all together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from holdfast.errors import ConfigurationError, UnsafeCommand

MAX_WORD: Final = 128 * 1024 - 1
"""Bytes of one word (MAX_ARG_STRLEN, linux/binfmts.h: 32 pages with the final NUL)."""
MAX_WORDS: Final = 1024 * 1024
"""Bytes of all words of a call, NULs and pointers included: half of the 2 MiB that Linux takes with an 8 MiB stack."""
MAX_PATTERN_MEMORY: Final = 8 * 1024 * 1024

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
"""Control characters (NUL ends a C string early), lone surrogates (raw bytes by the back door), line separators."""
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")


def clean(value: object, max_length: int, what: str, code: str) -> str:
    """Return ``value`` if it is text that can stand in an argument list. Raises ``UnsafeCommand``."""
    if not isinstance(value, str):
        raise UnsafeCommand(f"{what} takes text", code=code)
    if len(value) > max_length:
        raise UnsafeCommand(f"{what} takes at most {max_length} characters", code=code)
    if _FORBIDDEN.search(value):
        raise UnsafeCommand(f"{what} takes text without control characters", code=code)
    return value


def check_total(words: Sequence[str]) -> None:
    """Refuse what the kernel would not start (E2BIG). Raises ``UnsafeCommand`` (``command.too_long``)."""
    sizes = [len(word.encode("utf-8", "surrogateescape")) for word in words]
    if max(sizes, default=0) > MAX_WORD or sum(sizes) + 9 * len(sizes) > MAX_WORDS:
        raise UnsafeCommand("the words are too long together; send fewer or shorter ones", code="command.too_long")


def matcher(pattern: str) -> Any:
    """Compile an author's pattern for ``fullmatch``, on RE2: so that its time grows with the text only (CVE-2026-0621).

    Raises ``ConfigurationError``, also for what RE2 would take but other engines could not: a repeated group, a
    back-reference, look-around, more than three open-ended repetitions. Such a pattern is rarely what was meant.
    """
    import re2

    bare = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "x", re.sub(r"\\[^0-9]", "x", pattern))
    if re.search(r"\)(?:[*+]|\{)|\\[0-9]|\(\?(?!:)", bare) or len(_UNBOUNDED.findall(bare)) > 3:
        raise ConfigurationError(
            "this pattern may take very long on hostile text: repeat characters, not groups, at most three times"
        )
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise ConfigurationError(f"{pattern!r} is not a pattern that RE2 takes") from None
