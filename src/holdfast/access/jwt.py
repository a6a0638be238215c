"""JSON Web Tokens (RFC 7519, 8725, 9068): read strictly, checked against one issuer's keys, and turned into principals.

The library checks signatures; what a header or a claim may say is judged here, on JSON without duplicate names.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from holdfast.access.tokens import FOREIGN
from holdfast.core.principal import ALL, Principal
from holdfast.errors import HoldfastError
from holdfast.safe.json import loads
from holdfast.safe.values import Bounds

if TYPE_CHECKING:
    from holdfast.access.jwks import KeySet

MAX_TOKEN: Final = 16 * 1024
"""Characters; tokens with a hundred groups in them stay below 8 KiB."""
MAX_SCOPES: Final = 200
MAX_AUDIENCES: Final = 50
MAX_TEXT: Final = 255
"""Characters of a subject (OpenID Connect Core, section 2) and of a key's name."""
_PARTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_BOUNDS: Final = Bounds(MAX_TOKEN, 16, 2_000, MAX_TOKEN, 20)
_REFUSED: Final = frozenset({"crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc"})
"""Header parameters that would change what is checked, or bring the key along (RFC 8725, sections 3.1 and 3.10)."""
_TYPES: Final = frozenset({"jwt", "at+jwt"})
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
"""A scope (RFC 6749, section 3.3)."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:|/+=-]{0,58}")


class Rejected(Exception):
    """A token that is none of ours; ``reason`` is one of a few words, for logs and metrics, never for the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownKey(Rejected):
    """No key fits the token: perhaps there is a newer set of them."""

    def __init__(self) -> None:
        super().__init__("key")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. ``leeway`` in seconds, for the claims that say from when on it holds; none for its end."""

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    leeway: float = 30.0
    access_only: bool = False
    """Take only tokens that call themselves access tokens (``typ: at+jwt``, RFC 9068)."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What holds of a token that was checked. ``ends`` is in seconds since the epoch."""

    principal: Principal
    ends: float


def verify(token: str, keys: KeySet, expected: Expected, now: float) -> Claims:
    """Check everything; ``now`` in seconds since the epoch. Raises ``Rejected``."""
    if len(token) > MAX_TOKEN:
        raise Rejected("too_large")
    parts = _PARTS.fullmatch(token)
    if parts is None:
        raise Rejected("malformed")
    algorithm, kid = _header(_json(parts[1]), expected)
    key = keys.find(kid, algorithm)
    if key is None:
        raise UnknownKey
    _decoded(parts[3])
    _check_signature(token, key.public, algorithm)
    return _claims(_json(parts[2]), expected, now)


def _decoded(part: str) -> bytes:
    """Base64url in its one spelling, so that no token has a second one. Raises ``Rejected``."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise Rejected("malformed") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part.encode("ascii"):
        raise Rejected("malformed")
    return raw


def _json(part: str) -> dict[str, Any]:
    try:
        found = loads(_decoded(part), _BOUNDS)
    except HoldfastError:
        raise Rejected("malformed") from None
    if not isinstance(found, dict):
        raise Rejected("malformed")
    return found


def _header(header: dict[str, Any], expected: Expected) -> tuple[str, str | None]:
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if _REFUSED & header.keys():
        raise Rejected("header")
    if not isinstance(algorithm, str) or algorithm not in expected.algorithms:
        raise Rejected("algorithm")
    if not (kid is None or (isinstance(kid, str) and 0 < len(kid) <= MAX_TEXT)):
        raise Rejected("key")
    # RFC 7515, section 4.1.9: "application/" may be left out, and case says nothing
    named = kind.lower().removeprefix("application/") if isinstance(kind, str) else None
    if "typ" in header and named not in _TYPES:
        raise Rejected("type")
    if expected.access_only and named != "at+jwt":
        raise Rejected("type")
    return algorithm, kid


def _check_signature(token: str, public: Any, algorithm: str) -> None:
    from jwt.api_jws import PyJWS
    from jwt.exceptions import PyJWTError

    try:
        PyJWS(algorithms=[algorithm]).decode_complete(token, public, algorithms=[algorithm])
    except (PyJWTError, ValueError, TypeError):  # the library's words, and those of what it stands on
        raise Rejected("signature") from None


def _claims(claims: dict[str, Any], expected: Expected, now: float) -> Claims:
    ends = _time(claims, "exp")
    if ends is None:
        raise Rejected("claims")
    if now >= ends:
        raise Rejected("expired")
    if any((_time(claims, name) or -math.inf) > now + expected.leeway for name in ("nbf", "iat")):
        raise Rejected("not_yet")
    if claims.get("iss") != expected.issuer:
        raise Rejected("issuer")
    if not _audiences(claims.get("aud")) & expected.audiences:
        raise Rejected("audience")
    if "cnf" in claims:  # bound to a key whose proof would have to come along (RFC 9449, 8705): no bearer token
        raise Rejected("claims")
    return Claims(Principal(_name(claims.get("sub")), _scopes(claims)), ends)


def _time(claims: dict[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Rejected("claims")
    return float(value)


def _audiences(value: Any) -> frozenset[str]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) > MAX_AUDIENCES or not all(isinstance(item, str) for item in found):
        raise Rejected("audience")
    return frozenset(found)


def _name(subject: Any) -> str:
    """A principal's name that no other subject has, and no API key: theirs cannot begin with ``jwt:``."""
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_TEXT:
        raise Rejected("claims")
    if _PLAIN.fullmatch(subject):
        return f"{FOREIGN}{subject}"
    return f"{FOREIGN}~{hashlib.sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """``scope`` (RFC 8693, 9068), else ``scp``. ``*`` means everything here, and is not an issuer's to give."""
    value = claims.get("scope", claims.get("scp", ""))
    found = value.split(" ") if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) > MAX_SCOPES or not all(isinstance(item, str) for item in found):
        raise Rejected("claims")
    return frozenset(item for item in found if item != ALL and _SCOPE.fullmatch(item))
