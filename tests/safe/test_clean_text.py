"""Source code and prose pass unchanged, but for what is listed here: examples of secrets, and hidden characters.

Two MiB of the standard library; ten MiB, with its tests and what is installed beside it, with ``SLOW_TESTS=1``.
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from holdfast.safe.secrets import SecretRegistry
from holdfast.safe.text import clean

MIB = 1 << 20
LONG = bool(os.environ.get("SLOW_TESTS"))
SIZE = 10 * MIB if LONG else 2 * MIB
KINDS = (".py", ".pyi", ".txt", ".md", ".rst", ".toml", "METADATA")

EXAMPLES = re.compile(
    r"anonymous@|geheim\$parole|yh\^%#rest-of-my-password|(?:pass|python|blah|wile|test123|badpass|somepass|doesnotexist"
    r"|testPass|blerg|Admin|Pass|thing|secret).{0,12}|a(?:%20| )secret.{0,4}"
    r"|\w+_ROCKET\w*|ROCKET_\w+|secret_key_123|-----BEGIN.{0,200}",
    re.DOTALL,
)
"""Passwords, cookies and keys that documentation and tests show: true positives, each of them."""
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u206f\ufeff\ufffe\uffff"
    "\ufe00-\ufe0f\U000e0000-\U000e0fff\ufff0-\ufffb]"
)


def corpus() -> Iterator[str]:
    left = SIZE
    for path in files():
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        yield text
        left -= len(text)
        if left < 0:
            return


def files() -> Iterator[Path]:
    library = Path(sysconfig.get_path("stdlib"))
    yield from sorted(library.glob("*.py"))
    if LONG:
        for base in (library, Path(sysconfig.get_path("purelib"))):
            for folder, names, found in os.walk(base):
                names[:] = sorted(name for name in names if name not in ("__pycache__", "site-packages"))
                yield from (Path(folder, name) for name in sorted(found) if name.endswith(KINDS))


def taken(before: str, after: str) -> list[str]:
    """What stood in the place of each mark."""
    pieces = re.split(r"\[redacted:[\w.-]+\]", after)
    found, at = [], len(pieces[0])
    for piece in pieces[1:]:
        end = before.find(piece, at) if piece else len(before)
        found.append(before[at:end])
        at = end + len(piece)
    return found


def test_clean_text_is_not_altered_apart_from_listed_examples() -> None:
    registry, read, strangers = SecretRegistry(), 0, []
    for text in corpus():
        read += len(text)
        shown = clean(text)
        if shown is not text:
            assert HIDDEN.search(text)
        redacted = registry.redact(shown).text
        if redacted is not shown:
            strangers += [item for item in taken(shown, redacted) if not EXAMPLES.fullmatch(item)]
    assert read > SIZE * 0.9
    assert strangers == []
