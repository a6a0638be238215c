"""New API keys: random, with a public id in front, and the hashed entry that the settings keep of them."""

from __future__ import annotations

import json
import secrets
from typing import Any, Final, NamedTuple

from holdfast.access.tokens import hashed, moment
from holdfast.errors import ConfigurationError

PREFIX: Final = "hfk"
"""What keys begin with, so that scanners for lost secrets know them by their form."""
LEAST: Final = 32
"""Characters of a secret that is hashed without salt: 128 bits in the poorest alphabet in use, hexadecimal."""


class NewKey(NamedTuple):
    """A key: shown once, kept by nobody; and what the settings keep of it."""

    key: str
    entry: dict[str, Any]


def new_key(scopes: list[str] | None = None, expires: str | None = None) -> NewKey:
    """``hfk_<id>_<secret>``: 40 random bits to name it by, 256 to keep. ``expires`` as ``tokens.moment`` reads it."""
    name = secrets.token_hex(5)
    key = f"{PREFIX}_{name}_{secrets.token_urlsafe(32)}"
    return NewKey(key, {"id": name, **entry_for(key, scopes, expires)})


def entry_for(token: str, scopes: list[str] | None = None, expires: str | None = None) -> dict[str, Any]:
    """The entry that stands for ``token``. Raises ``ConfigurationError`` for one that its hash would give away."""
    if len(token) < LEAST or len(set(token)) < LEAST // 4:
        raise ConfigurationError(f"a token that is kept hashed has {LEAST} random characters or more")
    entry: dict[str, Any] = {"token": hashed(token)}
    if scopes is not None:
        entry["scopes"] = scopes
    if expires is not None:
        moment(expires)
        entry["expires"] = expires
    return entry


def setting(name: str, entry: dict[str, Any]) -> str:
    """The entry of one principal, as it stands in ``HOLDFAST_AUTH__TOKENS`` or its file."""
    return json.dumps({name: entry})
