"""Health and metrics over HTTP beside a stdio server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigurationError
from holdfast.wire.admission import Admission
from holdfast.wire.http import bind, hosts_of, running, url_of
from holdfast.wire.httpanswers import Challenge, Refused
from holdfast.wire.monitoring import (
    OPEN_PATHS,
    PATHS,
    MonitorDoor,
    Monitored,
    Receive,
    Send,
    is_loopback,
    reply,
    respond,
)

if TYPE_CHECKING:
    from holdfast.core.config import Settings

CONNECTIONS = 64
DRAIN = 1.0


@asynccontextmanager
async def open_beside(live: Any, host: str, port: int) -> AsyncIterator[None]:
    """Serve the pages of ``monitoring`` while entered. Raises ``ConfigurationError`` beyond loopback."""
    listening = bind(host, port) if host == "localhost" or is_loopback(host) else None
    if listening is None or not is_loopback(listening.getsockname()[0]):  # a name means what the system says
        if listening is not None:
            listening.close()
        raise ConfigurationError("the health endpoints of a stdio server are open, so they are for loopback only")
    live.plant.log.info("serving", transport="health", url=f"{url_of(listening)}/health")
    pages = _Pages(live, live.plant.loaded.settings, hosts_of(listening))
    async with running(pages, listening, drain=DRAIN, connections=CONNECTIONS):
        yield


class _Pages:
    def __init__(self, live: Monitored, settings: Settings, hosts: frozenset[str]) -> None:
        self._live = live
        self._admission = Admission(settings, hosts)
        self._door = MonitorDoor(settings, live, None, Challenge(None, ()))

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            try:
                await self._serve(scope, send)
            except Refused as refused:
                await reply(send, refused.status, f"{refused.body}\n".encode(), "text/plain", refused.headers)

    async def _serve(self, scope: dict[str, Any], send: Send) -> None:
        path = scope["path"]
        admitted = self._admission.admit(scope["headers"], is_open=True)
        if path not in PATHS or scope["method"] not in ("GET", "HEAD"):
            raise Refused(404, "look at /health, /livez, /readyz or /metrics")
        if path not in OPEN_PATHS:
            self._door.check(admitted.authorization, admitted.pairs, (scope.get("client") or ("",))[0])
        await respond(self._live, path, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
