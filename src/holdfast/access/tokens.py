"""Static bearer tokens: read from the settings, looked up by a keyed hash, turned into principals."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.core.principal import ALL, Principal
from holdfast.errors import ConfigurationError

STRONG_LENGTH = 16
"""Characters of a token that nobody guesses; the start-up log warns of shorter ones (NIST SP 800-63B asks for 64 bits
of a secret that is looked up; 16 characters hold that in any alphabet of 16)."""
MAX_TOKENS = 10_000
MAX_NAME = 64
"""Characters of a principal's name, which is written to every log line of its calls."""
_FORM = (
    "HOLDFAST_AUTH__TOKENS is one token, a JSON list of tokens, or a JSON object of name -> token or "
    '{"token": ..., "scopes": [...]}'
)


class TokenTable:
    """Knows tokens by a keyed hash only, so that a memory dump or a repr does not show them.

    The key is made anew at each start and known to nobody, so what a lookup by the hash takes tells nothing of a token
    (double HMAC: the time depends on bytes that the sender can neither choose nor compute), however many there are.
    """

    def __init__(self, text: str) -> None:
        self._key = secrets.token_bytes(32)
        self._principals: dict[bytes, Principal] = {}
        for name, token, scopes in _entries(text):
            if not token:
                raise ConfigurationError("a token in HOLDFAST_AUTH__TOKENS is empty")
            if not (name.isprintable() and 0 < len(name) <= MAX_NAME):
                raise ConfigurationError(f"a name in HOLDFAST_AUTH__TOKENS has 1 to {MAX_NAME} printable characters")
            holder = self._principals.setdefault(self._digest(token), Principal(name, scopes))
            if holder.name != name:
                raise ConfigurationError(
                    f"{holder.name} and {name} have the same token in HOLDFAST_AUTH__TOKENS; give each its own"
                )
        if not 0 < len(self._principals) <= MAX_TOKENS:
            raise ConfigurationError(_FORM)

    def principal(self, token: str) -> Principal | None:
        """Who holds ``token``."""
        return self._principals.get(self._digest(token))

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()

    def __len__(self) -> int:
        return len(self._principals)

    def __repr__(self) -> str:
        return f"<TokenTable of {len(self)}>"


def token_values(text: str) -> list[str]:
    """The tokens themselves, for the registry that redacts them."""
    return [token for _name, token, _scopes in _entries(text)]


def _entries(text: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    everything = frozenset({ALL})
    parsed = _parsed(text)
    if isinstance(parsed, Mapping):
        for name, entry in parsed.items():
            yield name, *_entry(entry)
    else:
        for number, token in enumerate(parsed, 1):
            if not isinstance(token, str):
                raise ConfigurationError(_FORM)
            yield f"token-{number}", token, everything


def _entry(entry: Any) -> tuple[str, frozenset[str]]:
    if isinstance(entry, str):
        return entry, frozenset({ALL})
    if isinstance(entry, Mapping) and isinstance(entry.get("token"), str) and set(entry) <= {"token", "scopes"}:
        scopes = entry.get("scopes", [ALL])
        if isinstance(scopes, list) and all(isinstance(scope, str) for scope in scopes):
            return entry["token"], frozenset(scopes)
    raise ConfigurationError(_FORM)


def _parsed(text: str) -> Any:
    if text.lstrip()[:1] not in ("[", "{"):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise ConfigurationError(_FORM) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ConfigurationError("a name stands twice in HOLDFAST_AUTH__TOKENS; give each principal one token")
    return made
