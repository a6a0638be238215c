"""Secrets that must never come back, and the search for them in every spelling that a server may give them."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

ENVIRONMENT = (
    "API_TOKEN",
    "DATABASE_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN",
    "OPENAI_API_KEY",
    "SESSION_SECRET",
)
FILES = ("outside", "name", "sibling", "repository", "other-database", "hard-link")
"""Where each stands: in outside/secret.txt, in the *name* of a file there and of one beside the root, in the sibling
folder, in a commit of the repository outside, in a database outside, in a file outside to which a hard link leads."""
ROW = "row"
"""The secret in a table of the server's own database: no fault to tell whoever may send any SELECT."""
LENGTH = 32
"""Characters, 5.9 bits each. Letters and digits only: most encoders leave them alone, so plain search finds most."""
BEGINNING = 12
"""Characters with which all secrets of one seed begin: where these are not, none of them is, and one look is enough."""
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class _Spellings:
    """One secret. ``folded`` are searched in lower case: hexadecimal digits, and servers that change the case."""

    name: str
    exact: tuple[bytes, ...]
    folded: tuple[bytes, ...]

    @classmethod
    def of(cls, name: str, secret: str) -> Self:
        plain = secret.encode()
        ways = (plain, plain[::-1], plain.hex().encode(), *_escapes(secret), *_wide(secret))
        return cls(name, tuple(dict.fromkeys(_base64(plain))), tuple(dict.fromkeys(way.lower() for way in ways)))

    def stand_in(self, data: bytes, folded: bytes) -> bool:
        return any(way in folded for way in self.folded) or any(way in data for way in self.exact)


@dataclass(frozen=True, slots=True)
class Canaries:
    """``environment`` and ``files`` by name; ``row`` is in the database. The same seed gives the same secrets."""

    seed: int
    environment: Mapping[str, str]
    files: Mapping[str, str]
    row: str
    _beginning: _Spellings
    _known: tuple[_Spellings, ...]

    @classmethod
    def of(cls, seed: int) -> Self:
        """All secrets of one run."""
        begin = _secret(seed, "all", BEGINNING)
        rest = LENGTH - BEGINNING
        environment = {name: begin + _secret(seed, f"environment {name}", rest) for name in ENVIRONMENT}
        files = {name: begin + _secret(seed, f"file {name}", rest) for name in FILES}
        known = tuple(_Spellings.of(name, secret) for name, secret in {**environment, **files}.items())
        return cls(seed, environment, files, _secret(seed, ROW), _Spellings.of("", begin), known)

    def argument(self, name: object) -> str:
        """A secret for an argument; another for another ``name``. ``seen_in`` does not know it, ``holds`` finds it."""
        return _secret(self.seed, f"argument {name}")

    def seen_in(self, data: bytes) -> tuple[str, ...]:
        """Names of the secrets of the environment and of files that stand in ``data``: raw, in base64 at any offset,
        hexadecimal, percent- or JSON-escaped, in UTF-16, reversed, or in another case."""
        folded = data.lower()
        if not self._beginning.stand_in(data, folded):
            return ()
        return tuple(one.name for one in self._known if one.stand_in(data, folded))

    @staticmethod
    def holds(data: bytes, secret: str) -> bool:
        """Whether one secret stands in ``data``, in any of those spellings."""
        return _Spellings.of("", secret).stand_in(data, data.lower())


def _secret(seed: int, name: str, length: int = LENGTH) -> str:
    source = random.Random(f"holdfast attack {seed} {name}")  # nosec B311 - the same seed makes the same canaries
    return "".join(source.choices(_ALPHABET, k=length))


def _base64(plain: bytes) -> Iterator[bytes]:
    """The part of base64 that depends on the secret alone, whatever stands before and behind it (RFC 4648)."""
    for offset in range(3):
        before = b"\0" * offset
        coded = base64.b64encode(before + plain + b"\0\0")
        first, last = (8 * offset + 5) // 6, (8 * (offset + len(plain))) // 6
        yield coded[first:last]
        yield coded[first:last].translate(bytes.maketrans(b"+/", b"-_"))


def _escapes(secret: str) -> Iterator[bytes]:
    for form in ("%{:02x}", "\\u{:04x}", "\\x{:02x}", "&#{};", "&#x{:x};"):
        yield "".join(form.format(ord(character)) for character in secret).encode()


def _wide(secret: str) -> Iterator[bytes]:
    """UTF-16 in either order; as JSON would write its zero bytes, too."""
    yield secret.encode("utf-16-le").rstrip(b"\0")
    yield "\\u0000".join(secret).encode()
