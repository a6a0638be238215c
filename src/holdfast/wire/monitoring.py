"""What an operator looks at: /health in detail, /livez and /readyz for probes, /metrics for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
PATHS = frozenset({"/health", "/livez", "/readyz", "/metrics"})
OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""Paths that say nothing but yes or no, and so need no token."""


class Monitored(Protocol):
    """A live server, as far as an operator is concerned."""

    name: str
    version: str
    plant: Any
    draining: bool


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
        return (
            (200, b"ready\n", "text/plain; charset=utf-8")
            if health.ready
            else (503, b"not ready\n", "text/plain; charset=utf-8")
        )
    report = await health.report()
    detail = {
        **report.as_dict(),
        "server": live.name,
        "version": live.version,
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
