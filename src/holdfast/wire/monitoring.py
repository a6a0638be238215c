"""What an operator looks at: /health in detail, /livez and /readyz for probes, /metrics for Prometheus."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Protocol

from holdfast.errors import ConfigurationError
from holdfast.wire.httpanswers import Challenge, Refused
from holdfast.wire.status import process_of

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.wire.doorkeeper import Doorkeeper

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
PATHS = frozenset({"/health", "/livez", "/readyz", "/metrics"})
OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""Paths that say nothing but yes or no, and which checks a start still waits for; they need no token."""


MONITOR: Final = "monitor"
"""The scope that lets a client's own token read ``/health`` and ``/metrics``."""
LEAST: Final = 16
"""Characters of the monitoring token (see ``access.tokens.STRONG_LENGTH``)."""
_FORWARDED: Final = frozenset(
    (b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip", b"fastly-client-ip",
     b"x-cluster-client-ip", b"x-original-forwarded-for", b"x-envoy-external-address", b"cdn-loop")
)  # fmt: skip
"""What proxies add: behind one, everybody seems to come from this machine."""


class Monitored(Protocol):
    """A live server, as far as an operator is concerned."""

    name: str
    version: str
    plant: Any
    draining: bool
    since: float
    quarantined: Mapping[str, float]


class MonitorDoor:
    """Who may read ``/health`` and ``/metrics``: whoever brings the monitoring token, or a client's token with the
    scope ``monitor``; where none of these are set, only this machine itself, and not through a proxy.
    """

    def __init__(
        self, settings: Settings, live: Monitored, doorkeeper: Doorkeeper | None, challenge: Challenge
    ) -> None:
        token = settings.health.token
        self._token = None if token is None else token.get_secret_value().strip().encode("utf-8", "surrogatepass")
        if self._token is not None and len(self._token) < LEAST:
            raise ConfigurationError(f"HOLDFAST_HEALTH__TOKEN has {LEAST} characters or more")
        if self._token is not None and doorkeeper is not None and doorkeeper.takes(self._token.decode("latin-1")):
            raise ConfigurationError("HOLDFAST_HEALTH__TOKEN is a caller's token as well; give each its own")
        self._live = live
        self._doorkeeper = doorkeeper
        self._challenge = challenge

    def check(self, authorization: bytes, pairs: Iterable[tuple[bytes, bytes]], peer: str) -> None:
        """Raises ``Refused``, or ``Unready`` as ``Doorkeeper.admit`` does."""
        scheme, _, token = authorization.partition(b" ")
        wanted = self._token
        if wanted is not None and scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), wanted):
            return
        if self._doorkeeper is not None:
            found = self._doorkeeper.admit(authorization, peer)
            if not found.principal.may(frozenset({MONITOR})):
                raise self._challenge.insufficient(MONITOR)
        elif wanted is not None:
            self._live.plant.metrics.refused("authenticate", "auth.monitoring")
            raise self._challenge.unauthenticated(tried=bool(authorization))
        elif not is_loopback(peer) or any(_is_proxys(name) for name, _ in pairs):
            raise Refused(403, "this page is for this machine itself; set HOLDFAST_HEALTH__TOKEN to read it from afar")


def _is_proxys(name: bytes) -> bool:
    return name in _FORWARDED or name.startswith(b"x-forwarded")


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own: 127.0.0.0/8 or ::1, mapped into IPv6 or not. No name is."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


async def respond(live: Monitored, path: str, send: Send) -> None:
    """Answer one of ``PATHS``."""
    status, body, kind = await _page(live, path)
    await reply(send, status, body, kind)


async def _page(live: Monitored, path: str) -> tuple[int, bytes, str]:
    if path == "/metrics":
        body, kind = live.plant.metrics.render()
        return 200, body, kind
    if path == "/livez":
        return 200, b"ok\n", "text/plain; charset=utf-8"
    health = live.plant.health
    if path == "/readyz":
        told = "ready" if health.ready else f"not ready: {health.reason}"
        return 200 if health.ready else 503, f"{told}\n".encode(), "text/plain; charset=utf-8"
    report = await health.report()
    detail = {
        **report.as_dict(),
        "server": live.name,
        "version": live.version,
        "process": process_of(live),
        "metrics": live.plant.metrics.snapshot(),
    }
    status = 503 if report.status == "failed" else 200
    return status, json.dumps(detail, indent=1).encode() + b"\n", "application/json"


async def reply(send: Send, status: int, body: bytes, kind: str, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Send a whole response."""
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
