"""Asks each request for its bearer token: counts, logs and audits what fails, and turns away who fails too often."""

from __future__ import annotations

import math
from contextlib import suppress
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from holdfast.access.authentication import Authentication, Credential, Unauthenticated, Unready, asked_for
from holdfast.resilience.limiter import KeyedLimiter
from holdfast.wire.httpanswers import Challenge, Refused

if TYPE_CHECKING:
    from holdfast.core.config import AuthSettings, Settings
    from holdfast.wire.monitoring import Monitored

WINDOW: Final = 60.0
"""Seconds in which the failures of an address are counted."""
MAX_PEERS: Final = 4_096
"""Addresses whose failures are remembered."""
RECHECK: Final = 30.0
"""Seconds between two looks at whether the key behind an open stream is still there."""
AGAIN: Final = 5.0
"""Seconds after which to come back when the issuer's keys are not there."""


class Doorkeeper:
    """Who may come in with which token.

    An address that has failed ``auth.failures`` times within a minute is told 429 for whatever it brings but tokens
    that were accepted before: nobody goes on guessing, and whoever works behind the same address goes on working.
    """

    def __init__(self, auth: AuthSettings, live: Monitored, challenge: Challenge) -> None:
        plant = live.plant
        self._plant = plant
        self._authentication = Authentication(auth, plant.clock, plant.secrets)
        self._needed = frozenset(auth.scopes)
        self._challenge = challenge
        self._most = auth.failures
        self._failures = KeyedLimiter(auth.failures, WINDOW, plant.clock, max_keys=MAX_PEERS)
        self._waits = plant.clock.now
        self._shut: dict[str, float] = {}  # bounded by ``MAX_PEERS``

    def admit(self, sent: bytes, peer: str) -> Credential:
        """Whose the ``Authorization`` header is. Raises ``Refused``, or ``Unready``: see ``refresh``."""
        scheme, _, token = sent.decode("latin-1").partition(" ")
        token = token.strip()
        if not sent:
            raise self._refused("missing", peer, tried=False)
        if self._shut:
            self._turn_away(peer, token)
        try:
            if scheme.lower() != "bearer" or not token:
                raise Unauthenticated("scheme")
            found = self._authentication.verify(token)
        except Unauthenticated as error:
            raise self._refused(error.reason, peer, key=error.key) from None
        if self._needed and not found.principal.may(self._needed):
            raise self._note(self._challenge.insufficient(), "scope", peer)
        return found

    def takes(self, token: str) -> bool:
        """Whether ``token`` is a caller's, as far as is known without waiting."""
        try:
            self._authentication.verify(token)
        except (Unauthenticated, Unready):
            return False
        return True

    async def over(self, credential: Credential) -> None:
        """Return when a credential is in force no more: it has ended, or its key was taken out of its file."""
        clock = self._plant.clock
        while self._authentication.holds(credential):
            left = credential.ends - clock.wall()
            await clock.sleep(min(RECHECK, max(left, 0.01)))
            await self._authentication.refresh()

    async def refresh(self) -> None:
        """Fetch or read what ``admit`` was not sure of."""
        await self._authentication.refresh()

    def unavailable(self) -> Refused:
        """What to say when a refresh has not helped."""
        self._plant.metrics.refused("authenticate", "auth.unavailable")
        return Refused(
            503, "tokens cannot be checked right now; try again soon", ((b"retry-after", b"%d" % int(AGAIN)),)
        )

    async def close(self) -> None:
        """End what is under way."""
        await self._authentication.close()

    def _turn_away(self, peer: str, token: str) -> None:
        key, now = _network(peer), self._waits()
        until = self._shut.get(key, 0.0)
        if now < until:
            if not self._authentication.known(token):
                self._plant.metrics.refused("authenticate", "auth.throttled")
                raise _throttled(until - now)
        else:
            self._shut.pop(key, None)

    def _refused(self, reason: str, peer: str, *, tried: bool = True, key: str = "") -> Refused:
        if not tried:  # most clients ask once without a token to be told where they get one
            self._plant.metrics.refused("authenticate", "auth.missing")
            return self._challenge.unauthenticated(tried=False)
        network = _network(peer)
        wait = self._failures.take(network)
        if wait is not None:
            if len(self._shut) >= MAX_PEERS:
                self._shut.clear()
            self._shut[network] = self._waits() + wait
            return self._note(_throttled(wait), "throttled", peer)
        return self._note(self._challenge.unauthenticated(tried=True), reason, peer, key)

    def _note(self, refused: Refused, reason: str, peer: str, key: str = "") -> Refused:
        code = f"auth.{reason}"
        named = {"key": key} if key else {}
        self._plant.metrics.refused("authenticate", code)
        self._plant.log.warning("auth.refused", code=code, peer=peer, **named)
        refused.record = {"event": "auth.refused", "code": code, "peer": peer, "outcome": "refused", **named}
        return refused


def _network(peer: str) -> str:
    """What failures are counted by: an address, or the /64 of an IPv6 address, as nobody has less than that."""
    if ":" not in peer:
        return peer
    with suppress(ValueError):
        address = IPv6Address(peer.partition("%")[0])
        mapped = address.ipv4_mapped
        return str(mapped) if mapped is not None else f"{int(address) >> 64:x}/64"
    return peer


def _throttled(wait: float) -> Refused:
    seconds = b"%d" % max(1, math.ceil(wait))
    return Refused(429, "too many failed attempts; try again later", ((b"retry-after", seconds),))


def doorkeeper_for(settings: Settings, live: Monitored, challenge: Challenge) -> Doorkeeper | None:
    """The doorkeeper of a server that asks for tokens. Raises ``ConfigurationError``."""
    return Doorkeeper(settings.auth, live, challenge) if asked_for(settings.auth) else None
