"""API keys: read from the settings plain or hashed, looked up by a keyed hash, turned into principals."""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from holdfast.core.principal import ALL, Principal
from holdfast.errors import ConfigurationError

STRONG_LENGTH = 16
"""Characters of a token that nobody guesses; the start-up log warns of shorter ones (NIST SP 800-63B asks for 64 bits
of a secret that is looked up; 16 characters hold that in any alphabet of 16)."""
MAX_TOKENS = 10_000
MAX_NAME = 64
"""Characters of a principal's name, which is written to every log line of its calls."""
FOREIGN: Final = "jwt:"
"""What the names of principals begin with that come out of an issuer's tokens."""
HASHED: Final = "sha256:"
"""What a hashed key begins with; 64 hexadecimal digits follow."""
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_FORM = (
    "HOLDFAST_AUTH__TOKENS is one token, a JSON list of tokens, or a JSON object of name -> token, "
    '{"token": ..., "scopes": [...], "not_before": ..., "expires": ...}, or a list of such entries; '
    "holdfast token new makes one"
)
_MAY_HOLD: Final = frozenset({"token", "scopes", "expires", "not_before", "id"})


def hashed(token: str) -> str:
    """``token`` as the settings may keep it. Plain SHA-256: a key of 256 random bits needs no slow hash (NIST SP
    800-63B, 5.1.2.2, for looked-up secrets of 112 bits and more); never use it for words that people choose."""
    return f"{HASHED}{hashlib.sha256(token.encode('utf-8', 'surrogatepass')).hexdigest()}"


class Fingerprint:
    """Maps tokens to 32 bytes under a key that is made anew at each start and known to nobody.

    What a lookup by it takes tells nothing of a token (double hashing: the time depends on bytes that the sender can
    neither choose nor compute), however many there are; a memory dump shows no token.
    """

    def __init__(self) -> None:
        # begun once and copied for each token: setting up a keyed hash takes longer than the hash (measured: 1 us)
        self._begun = hashlib.blake2b(key=secrets.token_bytes(32), digest_size=32)

    def __call__(self, token: str) -> bytes:
        """The fingerprint of a token."""
        return self.of_hash(hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest())

    def of_hash(self, digest: bytes) -> bytes:
        """The fingerprint of the token whose SHA-256 this is."""
        hashing = self._begun.copy()
        hashing.update(digest)
        return hashing.digest()


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is and from when to when (seconds since the epoch, the end not included)."""

    principal: Principal
    key: str
    """The key's public name, for logs: its id, or nothing."""
    begins: float = -math.inf
    ends: float = math.inf


class TokenTable:
    """Knows tokens by their fingerprints only. A principal may have several keys, so that they can be rotated."""

    def __init__(self, text: str, fingerprint: Fingerprint | None = None) -> None:
        self._fingerprint = fingerprint or Fingerprint()
        self._holders: dict[bytes, Holder] = {}
        for name, entry in _entries(text):
            if not (name.isprintable() and 0 < len(name) <= MAX_NAME):
                raise ConfigurationError(f"a name in HOLDFAST_AUTH__TOKENS has 1 to {MAX_NAME} printable characters")
            if name.startswith(FOREIGN):
                raise ConfigurationError(
                    f"names that begin with {FOREIGN} are an issuer's subjects; choose another one"
                )
            print_ = self._print_of(entry["token"])
            if print_ in self._holders:
                raise ConfigurationError(
                    f"{self._holders[print_].principal.name} and {name} have the same token in HOLDFAST_AUTH__TOKENS; "
                    "give each its own"
                )
            self._holders[print_] = _holder(name, entry)
        if not 0 < len(self._holders) <= MAX_TOKENS:
            raise ConfigurationError(_FORM)

    def _print_of(self, token: str) -> bytes:
        if not token:
            raise ConfigurationError("a token in HOLDFAST_AUTH__TOKENS is empty")
        if _HASH.fullmatch(token):
            return self._fingerprint.of_hash(bytes.fromhex(token.removeprefix(HASHED)))
        if token.startswith(HASHED):
            raise ConfigurationError("a hashed token in HOLDFAST_AUTH__TOKENS is sha256: and 64 hexadecimal digits")
        return self._fingerprint(token)

    def holder(self, fingerprint: bytes) -> Holder | None:
        """Whose token has this fingerprint, in force or not."""
        return self._holders.get(fingerprint)

    def principal(self, token: str) -> Principal | None:
        """Who holds ``token``, in force or not."""
        found = self._holders.get(self._fingerprint(token))
        return None if found is None else found.principal

    def __len__(self) -> int:
        return len(self._holders)

    def __repr__(self) -> str:
        return f"<TokenTable of {len(self)}>"


def token_values(text: str) -> list[str]:
    """The tokens that stand in ``text`` plainly, for the registry that redacts them."""
    return [entry["token"] for _name, entry in _entries(text) if not _HASH.fullmatch(entry["token"])]


def weaknesses(text: str) -> list[str]:
    """What is weak about the tokens of the setting, a line each."""
    found = token_values(text)
    weak = sum(len(token) < STRONG_LENGTH for token in found)
    said = [f"auth.tokens: {weak} shorter than {STRONG_LENGTH} characters can be guessed"] if weak else []
    return said + ([f"auth.tokens: {len(found)} kept plain; holdfast token hash hides them"] if found else [])


def moment(text: str) -> float:
    """Seconds since the epoch of ``2027-01-31`` (its first moment in UTC) or ``2027-01-31T12:00:00Z``.

    Raises ``ConfigurationError`` for anything else; a time without its zone would mean another moment elsewhere.
    """
    try:
        if len(text) == len("2027-01-31"):
            return datetime.combine(date.fromisoformat(text), time(), UTC).timestamp()
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.timestamp()
    except (ValueError, OverflowError):
        pass
    raise ConfigurationError("a time of a token is a date such as 2027-01-31, or 2027-01-31T12:00:00Z with its zone")


def _holder(name: str, entry: Mapping[str, Any]) -> Holder:
    return Holder(
        Principal(name, frozenset(entry.get("scopes", (ALL,)))),
        entry.get("id", ""),
        moment(entry["not_before"]) if "not_before" in entry else -math.inf,
        moment(entry["expires"]) if "expires" in entry else math.inf,
    )


def _entries(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    parsed = _parsed(text)
    if isinstance(parsed, Mapping):
        for name, given in parsed.items():
            for entry in given if isinstance(given, list) else (given,):
                yield name, _entry(entry)
    else:
        for number, token in enumerate(parsed, 1):
            if not isinstance(token, str):
                raise ConfigurationError(_FORM)
            yield f"token-{number}", {"token": token}


def _entry(entry: Any) -> Mapping[str, Any]:
    if isinstance(entry, str):
        return {"token": entry}
    if isinstance(entry, Mapping) and set(entry) <= _MAY_HOLD and "token" in entry:
        scopes = entry.get("scopes", [])
        texts = [value for name, value in entry.items() if name != "scopes"]
        if isinstance(scopes, list) and all(isinstance(text, str) for text in (*scopes, *texts)):
            if "id" in entry and not _ID.fullmatch(entry["id"]):
                raise ConfigurationError("the id of a token in HOLDFAST_AUTH__TOKENS is 1 to 32 letters and digits")
            return entry
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
        raise ConfigurationError("a name stands twice in HOLDFAST_AUTH__TOKENS; give each principal one list of tokens")
    return made
