"""Health and metrics over HTTP beside a stdio server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from holdfast.errors import ConfigurationError
from holdfast.wire.http import bind, hosts_of, running, url_of
from holdfast.wire.monitoring import PATHS, Monitored, Receive, Send, reply, respond

CONNECTIONS = 64
DRAIN = 1.0


@asynccontextmanager
async def open_beside(live: Any, host: str, port: int) -> AsyncIterator[None]:
    """Serve the pages of ``monitoring`` while entered. Raises ``ConfigurationError`` beyond loopback."""
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigurationError("the health endpoints of a stdio server are open, so they are for loopback only")
    listening = bind(host, port)
    live.plant.log.info("serving", transport="health", url=f"{url_of(listening)}/health")
    async with running(_Pages(live, hosts_of(listening)), listening, drain=DRAIN, connections=CONNECTIONS):
        yield


class _Pages:
    def __init__(self, live: Monitored, hosts: frozenset[str]) -> None:
        self._live = live
        self._hosts = hosts

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, send)

    async def _serve(self, scope: dict[str, Any], send: Send) -> None:
        host = next((value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"), "")
        if host not in self._hosts:
            await reply(send, 403, b"this Host is not served\n", "text/plain")
        elif scope["path"] not in PATHS or scope["method"] not in ("GET", "HEAD"):
            await reply(send, 404, b"look at /health, /livez, /readyz or /metrics\n", "text/plain")
        else:
            await respond(self._live, scope["path"], send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
