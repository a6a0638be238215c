"""Whose bearer token it is: an API key of the settings or of a file, or a token that the issuer has signed."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.access.sources import Fetched, Fixed, Source, Watched
from holdfast.access.tokens import Fingerprint, TokenTable, token_values
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.access.jwks import KeySet
    from holdfast.access.jwt import Expected
    from holdfast.access.tokens import Holder
    from holdfast.core.clock import Clock
    from holdfast.core.config import AuthSettings
    from holdfast.core.principal import Principal
    from holdfast.safe.secrets import SecretRegistry

BELIEVED: Final = 60.0
"""Seconds for which a checked token is not checked again: how late a key that its issuer took back is noticed."""
FILE_KEYS: Final = "auth.tokens_file"
"""The name under which plain keys of the file are redacted."""
REMEMBERED: Final = 4_096
"""Checked tokens that are remembered, each by its fingerprint: about a megabyte."""

_log = logging.getLogger("holdfast.access")


class Unauthenticated(Exception):
    """Nobody's token; ``reason`` is one of a few words for logs and metrics, ``key`` the public name of a known key."""

    def __init__(self, reason: str, key: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.key = key


class Unready(Exception):
    """Nothing can be said before ``refresh`` was awaited; said again after that, nothing can be said for now."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A token that was accepted: whose it is, and until when (seconds since the epoch)."""

    principal: Principal
    ends: float
    fingerprint: bytes
    checked: float = math.inf
    """When it was checked (monotonic seconds); API keys need no second check but the table's."""


class Authentication:
    """Knows API keys and an issuer's tokens. ``verify`` never waits: it runs before every call.

    Keys that stand plainly in the file are kept out of all that leaves, by ``secrets``: those of the file as it is.
    """

    def __init__(self, auth: AuthSettings, clock: Clock, secrets: SecretRegistry | None = None) -> None:
        self._now, self._wall = clock.now, clock.wall
        self._fingerprint = Fingerprint()
        self._tables: list[Source[TokenTable]] = []
        if auth.tokens is not None:
            self._tables.append(Fixed(TokenTable(auth.tokens.get_secret_value(), self._fingerprint)))
        if auth.tokens_file is not None:
            self._tables.append(Watched(auth.tokens_file, partial(_table, self._fingerprint, secrets), clock))
        self._expected = None if auth.issuer is None else expected(auth)
        self._keys: Source[KeySet] | None = None if auth.issuer is None else _keys(auth, clock)
        self._seen_keys: KeySet | None = None
        self._wanting = False
        self._checked: OrderedDict[bytes, Credential] = OrderedDict()  # bounded by ``REMEMBERED``

    def known(self, token: str) -> bool:
        """Whether ``token`` was accepted before: a neighbour's failed attempts must not keep it out."""
        return self._fingerprint(token) in self._checked

    def verify(self, token: str) -> Credential:
        """Raises ``Unauthenticated`` or ``Unready``."""
        for source in self._tables:
            if source.due():
                raise Unready
        fingerprint = self._fingerprint(token)
        holder = self._holder(fingerprint)
        if holder is not None:
            now = self._wall()
            if not holder.begins <= now < holder.ends:
                raise Unauthenticated("expired" if now >= holder.ends else "not_yet", holder.key)
            known = self._checked.get(fingerprint)
            if known is not None and known.principal is holder.principal:
                return known
            return self._remember(Credential(holder.principal, holder.ends, fingerprint))
        if self._expected is None or token.count(".") != 2:
            raise Unauthenticated("unknown")
        return self._signed(token, fingerprint, self._expected)

    def holds(self, credential: Credential) -> bool:
        """Whether an accepted token is still in force, as far as is known without waiting."""
        now = self._wall()
        if now >= credential.ends:
            return False
        if credential.checked != math.inf:
            return True
        holder = self._holder(credential.fingerprint)  # a file may have given the key to another since, or a nearer end
        return holder is not None and holder.principal == credential.principal and holder.begins <= now < holder.ends

    async def refresh(self) -> None:
        """Bring up to date what ``verify`` was not content with. Never raises."""
        wanting, self._wanting = self._wanting, False
        for source in self._tables:
            await source.refresh()
        if self._keys is not None and self._keys.due(wanting=wanting):
            await self._keys.refresh()

    async def close(self) -> None:
        """End what is under way."""
        if self._keys is not None:
            await self._keys.close()

    def _holder(self, fingerprint: bytes) -> Holder | None:
        for source in self._tables:
            table = source.current()
            holder = None if table is None else table.holder(fingerprint)
            if holder is not None:
                return holder
        return None

    def _signed(self, token: str, fingerprint: bytes, expected: Expected) -> Credential:
        from holdfast.access.jwt import Rejected, UnknownKey, verify

        source: Any = self._keys
        keys = source.current()
        if keys is None or source.due():
            self._wanting = True
            raise Unready
        if keys is not self._seen_keys:  # what an older set has vouched for is checked again
            self._seen_keys = keys
            self._checked.clear()
        wall, known = self._wall(), self._checked.get(fingerprint)
        # from 0 on: an API key with two dots in it, which its table knows no more, was "checked" at infinity
        if known is not None and 0.0 <= self._now() - known.checked < BELIEVED and wall < known.ends:
            self._checked.move_to_end(fingerprint)
            return known
        try:
            claims = verify(token, keys, expected, wall)
        except UnknownKey as error:
            if source.due(wanting=True):
                self._wanting = True
                raise Unready from None
            raise Unauthenticated(error.reason) from None
        except Rejected as error:
            self._checked.pop(fingerprint, None)
            raise Unauthenticated(error.reason) from None
        return self._remember(Credential(claims.principal, claims.ends, fingerprint, self._now()))

    def _remember(self, credential: Credential) -> Credential:
        self._checked[credential.fingerprint] = credential
        self._checked.move_to_end(credential.fingerprint)
        if len(self._checked) > REMEMBERED:
            self._checked.popitem(last=False)
        return credential

    def __repr__(self) -> str:
        return "<Authentication>"


def asked_for(auth: AuthSettings) -> bool:
    """Whether callers over HTTP need a token. Raises ``ConfigurationError`` when one is wanted and none could fit."""
    there = auth.tokens is not None or auth.tokens_file is not None or auth.issuer is not None
    if auth.required and not there:
        raise ConfigurationError(
            "authentication is asked for, but no tokens are set: set HOLDFAST_AUTH__TOKENS, or HOLDFAST_AUTH__ISSUER"
        )
    return there if auth.required is None else auth.required


def expected(auth: AuthSettings) -> Expected:
    """What an issuer's tokens must say. Raises ``ConfigurationError`` for settings that do not fit each other."""
    from holdfast.access.issuer import checked_url
    from holdfast.access.jwt import Expected

    audiences = auth.audience or ((auth.resource,) if auth.resource else ())
    if not audiences or not all(audiences):
        raise ConfigurationError(
            "tokens of an issuer need an audience, or those for its other servers would be taken here: "
            "set HOLDFAST_AUTH__RESOURCE to the URL of this server's /mcp, or HOLDFAST_AUTH__AUDIENCE"
        )
    issuer = checked_url(auth.issuer or "", "HOLDFAST_AUTH__ISSUER")
    algorithms = frozenset(auth.algorithms)
    if not algorithms:
        raise ConfigurationError("HOLDFAST_AUTH__ALGORITHMS names no algorithm, so no token could be taken")
    access_only = auth.token_type != "any"  # noqa: S105 # nosec B105 - no password: a kind of token
    return Expected(issuer, frozenset(audiences), algorithms, auth.leeway, access_only)


def _keys(auth: AuthSettings, clock: Clock) -> Source[KeySet]:
    from holdfast.access.issuer import Issuer, checked_url
    from holdfast.access.jwks import read_keys

    jwks = auth.jwks
    if jwks is not None and jwks.lstrip().startswith("{"):
        return Fixed(read_keys(jwks.encode("utf-8", "surrogatepass")))
    if jwks is not None and "://" not in jwks:
        return Watched(Path(jwks), read_keys, clock)
    if jwks is not None:
        checked_url(jwks, "HOLDFAST_AUTH__JWKS")
    return Fetched(Issuer(auth.issuer or "", jwks, auth.allow).keys, clock)


def _table(fingerprint: Fingerprint, secrets: SecretRegistry | None, raw: bytes) -> TokenTable:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError("a file of tokens is UTF-8 text") from None
    table = TokenTable(text, fingerprint)
    if secrets is not None:
        _keep_out(secrets, token_values(text))
    return table


def keep_plain_keys(auth: AuthSettings, clock: Clock, secrets: SecretRegistry) -> None:
    """Keep what the file of tokens holds plainly out of all that is said before the first caller is asked for one.

    A file that is of no use is refused where callers are: over pipes nobody is asked.
    """
    if auth.tokens_file is not None:
        with suppress(ConfigurationError):
            Watched(auth.tokens_file, partial(_table, Fingerprint(), secrets), clock)


def _keep_out(secrets: SecretRegistry, plain: list[str]) -> None:
    from holdfast.safe.secrets import MIN_LENGTH

    long = [token for token in plain if len(token.strip()) >= MIN_LENGTH]
    secrets.keep(FILE_KEYS, long)  # too many to keep out of all that leaves: then none of them is taken
    if plain:
        _log.warning("auth.tokens_file: %d kept plain; holdfast token hash hides them", len(plain))
    if len(long) < len(plain):
        _log.warning("auth.tokens_file: %d too short to be redacted", len(plain) - len(long))
