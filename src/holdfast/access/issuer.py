"""Fetches an issuer's keys: from the address that is set, or from the one that its own metadata names."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from holdfast.access.jwks import MAX_BYTES, KeySet, read_keys
from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.safe.json import loads
from holdfast.safe.policy import UrlPolicy
from holdfast.safe.values import Bounds

if TYPE_CHECKING:
    from holdfast.safe.locations import Location

TIMEOUT: Final = 5.0
"""Seconds for one fetch."""
_BOUNDS: Final = Bounds(MAX_BYTES, 16, 10_000, 64 * 1024, 20)


class Unreachable(HoldfastError):
    """An issuer did not answer as it should; the text names what was asked for and nothing that was answered."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose keys, and how they are reached. Without ``jwks`` the issuer's metadata says where they are."""

    name: str
    """The issuer exactly as tokens name it."""
    jwks: str | None = None
    allow: tuple[str, ...] = ()
    """``host:port`` pairs that may be fetched from although they are private."""

    async def keys(self) -> KeySet:
        """Fetch the keys. Raises ``Unreachable``, ``ConfigurationError``, or what fetching raises."""
        address = self.jwks or await self._discovered()
        return read_keys(await self._fetched(address, "key set"))

    async def _discovered(self) -> str:
        for address in metadata_addresses(self.name):
            try:
                found = loads(await self._fetched(address, "metadata"), _BOUNDS)
            except HoldfastError:
                continue
            # RFC 8414, section 3.3: metadata that names another issuer must not be used
            if isinstance(found, dict) and found.get("issuer") == self.name and isinstance(found.get("jwks_uri"), str):
                return str(found["jwks_uri"])
        raise Unreachable("no metadata of the issuer names it and its keys: set HOLDFAST_AUTH__JWKS")

    async def _fetched(self, address: str, what: str) -> bytes:
        from holdfast.safe.fetching import Request, fetch  # here: it loads the HTTP client

        location, policy = self._reach(address)
        headers = {"accept": "application/json"}
        answer = await fetch(Request(location, "GET", headers, MAX_BYTES, TIMEOUT), policy)
        if answer.status != 200 or answer.truncated:
            raise Unreachable(f"the {what} of the issuer was answered with status {answer.status}")
        return answer.body

    def _reach(self, address: str) -> tuple[Location, UrlPolicy]:
        """Where to, and the policy to get there: https, and to the public Internet but for what is set."""
        from holdfast.safe.locations import pair_of, parse

        own = [place for place in map(_place, (self.name, self.jwks or self.name)) if place is not None]
        local = [place.pair for place in own if place.local]
        policy = _policy((*self.allow, *local), (443, *(place.port for place in own)))
        location = parse(address, policy)
        if location.scheme != "https" and location.pair not in {pair_of(pair) for pair in local}:
            raise Unreachable("an issuer's keys are fetched over https only, but from this machine itself")
        return location, policy


def metadata_addresses(issuer: str) -> list[str]:
    """Where an issuer's metadata may be (RFC 8414, section 3; OpenID Connect Discovery 1.0, section 4)."""
    scheme, _, rest = issuer.partition("://")
    host, slash, path = rest.partition("/")
    path = f"{slash}{path}".rstrip("/")
    root = f"{scheme}://{host}/.well-known"
    return [
        f"{root}/oauth-authorization-server{path}",
        f"{root}/openid-configuration{path}",
        *([f"{scheme}://{host}{path}/.well-known/openid-configuration"] if path else []),
    ]


def checked_url(text: str, setting: str) -> str:
    """An https URL without query and fragment, or an http one of this machine. Raises ``ConfigurationError``."""
    from holdfast.safe.locations import parse

    place = _place(text)
    if place is not None and not set('?#"<>') & set(text) and (place.secure or place.local):
        with suppress(HoldfastError):
            parse(text, _policy((place.pair,), (place.port,)))
            return text
    raise ConfigurationError(f"{setting} is an https URL without a query (http only for this machine itself)")


class _Place(NamedTuple):
    """As much of an address as says how it may be reached."""

    pair: str
    port: int
    secure: bool
    local: bool
    """Whether it is this machine's own loopback."""


def _place(address: str) -> _Place | None:
    try:
        parts = urlsplit(address)
        secure, host = parts.scheme == "https", parts.hostname or ""
        port = parts.port or (443 if secure else 80)
    except ValueError:
        return None
    octets = host.split(".")
    four = len(octets) == 4 and all(octet.isdecimal() and octet.isascii() for octet in octets)
    local = host in ("localhost", "::1") or (four and octets[0] == "127")
    return _Place(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", port, secure, local)


def _policy(allow: Iterable[str], ports: Iterable[int]) -> UrlPolicy:
    return UrlPolicy(allow=frozenset(allow), ports=frozenset(ports), max_redirects=0, timeout=TIMEOUT)
