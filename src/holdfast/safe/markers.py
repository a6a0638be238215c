"""The marks that redaction leaves in text, and the rule that they are never written over what they stand for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from holdfast.safe.refusals import redacted

START: Final = "[redacted:"
MAX_NAME: Final = 128
"""Characters of a rule's name, at most."""
MAX_MARK: Final = 4 * (len(START) + MAX_NAME + 1)
"""Bytes of the longest mark, in UTF-32."""


def _pattern(encoding: str) -> re.Pattern[bytes]:
    """Matches ``[redacted:RULE]``, as ``safe.redaction`` writes it, in one encoding."""
    start, end = re.escape(START.encode(encoding)), re.escape("]".encode(encoding))
    before, after = map(re.escape, "A".encode(encoding).split(b"A"))
    return re.compile(start + b"(?:" + before + rb"[\w.:-]" + after + b"){1,%d}" % MAX_NAME + end)


_ENCODINGS: Final = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_PATTERNS: Final = tuple((encoding, _pattern(encoding)) for encoding in _ENCODINGS)


def marks(data: bytes) -> Counter[str]:
    """How often each mark stands in ``data``, as UTF-8 (or what agrees with it on ASCII) UTF-16 or UTF-32."""
    most: Counter[str] = Counter()
    for encoding, pattern in _PATTERNS:
        most |= Counter(
            found.decode(encoding) for found in pattern.findall(data)
        )  # the wide ones also look like their mirrors
    return most


def require_unredacted(new: bytes, old: Callable[[], bytes]) -> None:
    """Refuse content with a mark that ``old()`` does not hold as often: a caller that was shown ``[redacted:RULE]`` in
    place of a secret is about to destroy the secret. Raises ``UnsafePath`` (path.redacted).

    A file that holds such marks of its own, such as this project's documentation, may keep and lose them.
    """
    wanted = marks(new)
    if wanted and wanted - marks(old()):
        raise redacted()
