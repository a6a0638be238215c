"""A set of public keys (RFC 7517): read strictly, and each key bound to the algorithms that fit it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.safe.json import loads
from holdfast.safe.values import Bounds

MAX_BYTES: Final = 256 * 1024
"""Bytes of a key set; large providers publish some ten keys of 2 KiB."""
MAX_KEYS: Final = 100
MIN_RSA: Final = 2_048
"""Bits (RFC 7518, section 3.3)."""
MAX_RSA: Final = 8_192
"""Bits; checking a signature takes 0.3 ms at 8,192, and four times that with each doubling."""
_BOUNDS: Final = Bounds(MAX_BYTES, 8, 10_000, 64 * 1024, 300)
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_PUBLIC: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
"""The parameters of a public key; whatever else stands in a key is left out, a private part above all."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and what it may check."""

    kid: str | None
    algorithms: frozenset[str]
    public: Any = field(repr=False)


class KeySet:
    """Keys to look up. At most ``MAX_KEYS``."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The one key of this name that fits the algorithm; without a name, the only key that fits.

        ``None`` when there is none, or more than one: which of them was meant is not for the sender to leave open.
        """
        found = [key for key in self._keys if algorithm in key.algorithms and kid in (None, key.kid)]
        return found[0] if len(found) == 1 else None

    def __len__(self) -> int:
        return len(self._keys)


def read_keys(raw: bytes) -> KeySet:
    """Read a key set. Keys that cannot check a signature (of another use, symmetric, weak, unknown) are left out.

    Raises ``ConfigurationError``, which repeats nothing, when it is no key set or no key is left.
    """
    try:
        found = loads(raw, _BOUNDS)
    except HoldfastError:
        raise ConfigurationError("the key set is not strict JSON, or too large") from None
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ConfigurationError(f'a key set is a JSON object with a list of at most {MAX_KEYS} "keys"')
    keys = tuple(key for entry in entries if (key := _key(entry)) is not None)
    if not keys:
        raise ConfigurationError("no key of the key set can check signatures")
    return KeySet(keys)


def _key(entry: Any) -> Key | None:
    if not isinstance(entry, dict):
        return None
    kid, algorithms = entry.get("kid"), _algorithms(entry)
    if not algorithms or not (kid is None or isinstance(kid, str)):
        return None
    if entry.get("use", "sig") != "sig" or "verify" not in _operations(entry):
        return None
    public = _public(entry)
    return None if public is None else Key(kid, algorithms, public)


def _operations(entry: dict[str, Any]) -> list[Any]:
    found = entry.get("key_ops", ["verify"])
    return found if isinstance(found, list) else []


def _algorithms(entry: dict[str, Any]) -> frozenset[str]:
    """What a key of this type may check; only its own algorithm when it names one (RFC 7517, section 4.4)."""
    kind, curve = str(entry.get("kty")), str(entry.get("crv"))
    fit = _RSA if kind == "RSA" else _CURVES.get((kind, curve), ())
    own = entry.get("alg")
    return frozenset(fit) if own is None else frozenset(name for name in fit if name == own)


def _public(entry: dict[str, Any]) -> Any:
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
    from jwt.exceptions import InvalidKeyError

    kind = entry["kty"]
    plain = {name: entry.get(name) for name in _PUBLIC[kind]}
    if not all(isinstance(value, str) for value in plain.values()):
        return None
    reader: Any = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}[kind]
    try:
        found = reader.from_jwk(json.dumps({"kty": kind, **plain}))
    except (InvalidKeyError, ValueError, TypeError):  # the library's word, and those of what it stands on
        return None
    return found if kind != "RSA" or MIN_RSA <= found.key_size <= MAX_RSA else None
