"""Settings that hold secrets: ``enc:`` values sealed with a key, and ``file:`` values read from a file."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet

PREFIX: Final = "enc:"
MAX_FILE: Final = 64 << 10
"""Bytes; a chain of certificates with its key fits."""
_OTHERS_MAY_READ: Final = stat.S_IRGRP | stat.S_IROTH

_log = logging.getLogger(__name__)


def generate_key() -> str:
    """A new key: 32 random bytes in URL-safe base64 (Fernet: AES-128-CBC with HMAC-SHA256)."""
    fernet, _, _ = _library()
    return fernet.generate_key().decode("ascii")


def seal(value: str, keys: Sequence[str]) -> str:
    """``value`` as an ``enc:`` setting, under the first of ``keys``. Raises ``ConfigurationError`` for a bad key."""
    return PREFIX + _cipher(keys).encrypt(value.encode("utf-8")).decode("ascii")


def unseal(text: str, keys: Sequence[str]) -> str:
    """What ``seal`` was given, if one of ``keys`` fits. Raises ``ConfigurationError``, which repeats nothing."""
    invalid = _library()[2]
    try:
        return _cipher(keys).decrypt(_token(text)).decode("utf-8")
    except (invalid, UnicodeDecodeError):
        raise ConfigurationError("an enc: setting does not open with the keys given; seal it again") from None


def rotate(text: str, keys: Sequence[str]) -> str:
    """The same secret sealed under the first of ``keys``; any of them may have sealed it before."""
    invalid = _library()[2]
    try:
        return PREFIX + _cipher(keys).rotate(_token(text)).decode("ascii")
    except invalid:
        raise ConfigurationError("an enc: setting does not open with the keys given; seal it again") from None


def from_file(path: str | Path) -> str:
    """The text of a secret's file, without its trailing newline.

    A regular file of at most 64 KiB of UTF-8; a symbolic link is followed, because that is how orchestrators mount
    secrets. Warns when others may read it. Raises ``ConfigurationError``, which names neither path nor content.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        raise ConfigurationError("a file: setting names a file that cannot be opened") from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise ConfigurationError("a file: setting must name a regular file")
    with open(descriptor, "rb") as file:
        raw = file.read(MAX_FILE + 1)
    if len(raw) > MAX_FILE:
        raise ConfigurationError(f"a file: setting names a file of more than {MAX_FILE} bytes")
    if os.name == "posix" and facts.st_mode & _OTHERS_MAY_READ:
        _log.warning("a secret's file may be read by its group or by everyone; make it 0600")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError("a file: setting names a file that is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def _token(text: str) -> bytes:
    if not text.startswith(PREFIX) or not text.isascii():
        raise ConfigurationError("a sealed setting starts with enc: and is plain ASCII")
    return text.removeprefix(PREFIX).encode("ascii")


def _cipher(keys: Sequence[str]) -> MultiFernet:
    fernet, multi, _ = _library()
    if isinstance(keys, str) or not keys:
        raise ConfigurationError("enc: settings need at least one key")
    try:
        return multi([fernet(key) for key in keys])
    except (ValueError, TypeError):
        raise ConfigurationError("a key for enc: settings is not 32 bytes of URL-safe base64") from None


def _library() -> tuple[type[Fernet], type[MultiFernet], type[Exception]]:
    """The classes of the library, loaded on first use: it takes longer to load than the rest of the settings."""
    try:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet
    except ImportError:
        raise ConfigurationError("enc: settings need the package cryptography") from None
    return Fernet, MultiFernet, InvalidToken
