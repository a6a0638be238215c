"""The secrets that settings hold, each by itself, so that all of them can be kept out of what leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import SecretStr

from holdfast.core.config import Settings
from holdfast.core.layers import is_secret, keys
from holdfast.safe.databases import passwords_in
from holdfast.safe.secrets import MIN_LENGTH, SecretRegistry

_PUBLIC: Final = frozenset({"scopes", "expires", "not_before", "id"})
"""What a token's entry says beside the token; a date that counted as a secret would be taken out of every answer."""
_HASHED: Final = "sha256:"
"""How a hashed token begins (``holdfast.access.tokens``): it is there to be kept in place of the secret."""
LEAST: Final = 6
"""Characters of a part of a list of tokens; a shorter one is a part of nothing that can be searched for."""


def secret_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every secret in the settings, each once, with a name for it: fields of secrets, alone or in lists or as JSON,
    and the password in an address of a database."""
    seen: set[str] = set()
    for key, info in keys().items():
        section, _, field = key.rpartition(".")
        value = getattr(getattr(settings, section) if section else settings, field)
        if not is_secret(info) or value is None:
            continue
        # of an address the password alone: a file's name is no secret, though it stands in the same setting
        parts = passwords_in(value.get_secret_value()) if key == "database" else _secret_parts(value)
        found = [part for part in dict.fromkeys(parts) if part and part not in seen]
        seen.update(found)
        for number, part in enumerate(found, 1):
            yield (key if len(found) == 1 else f"{key}-{number}"), part


def register(settings: Settings, registry: SecretRegistry) -> list[str]:
    """Have every secret of the settings kept out of what leaves; return a line for each that is too short for that.

    They are in the clear by now: what was sealed has been opened, files have been read.
    """
    weak = []
    for key, value in secret_settings(settings):
        if len(value.strip()) < MIN_LENGTH:
            weak.append(f"{key}: shorter than {MIN_LENGTH} characters, so it cannot be redacted")
        else:
            registry.add(value, key if value not in key else "a-setting")
    return weak


def _secret_parts(value: Any) -> Iterator[str]:
    """A secret, and what a secret that is JSON (names and tokens) holds: each value of its own."""
    value = _bare(value)
    if isinstance(value, list | tuple):
        for item in value:
            yield from _secret_parts(item)
    elif isinstance(value, Mapping):
        for name in value.keys() - _PUBLIC:
            yield from _secret_parts(value[name])
    elif isinstance(value, str) and not value.startswith(_HASHED):
        yield from _parts_of_text(value)


def _parts_of_text(value: str) -> Iterator[str]:
    try:
        inner = json.loads(value) if value.lstrip()[:1] in ("[", "{") else None
    except ValueError:
        inner = None
    if inner is not None:
        yield from _secret_parts(inner)
        return
    yield value
    yield from (part.strip() for part in value.split(",") if value.count(",") and len(part.strip()) >= LEAST)


def _bare(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
