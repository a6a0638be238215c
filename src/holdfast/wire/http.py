"""A live server over HTTP: the SDK's streamable-HTTP application behind holdfast's edge, on uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.transport_security import TransportSecuritySettings

from holdfast.watchdog.reexec import Anew, reexecute
from holdfast.wire.connection import PunctualConnection
from holdfast.wire.directhttp import DirectHttp
from holdfast.wire.edge import MCP_PATH, Edge
from holdfast.wire.ending import Backstop, Ending
from holdfast.wire.eventstore import RecentEvents
from holdfast.wire.publish import Shares
from holdfast.wire.reloading import Reloading
from holdfast.wire.sdk import SdkServer, keys_of
from holdfast.wire.sdkhttp import HttpApp, Sessions
from holdfast.wire.serve import Servable, Signals, refuse_unsafe_binding
from holdfast.wire.status import told

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.core.layers import Loaded

RETRY_MS = 500
"""Milliseconds after which a client whose stream ended should come back for the rest."""
PATIENCE = 10.0
"""Seconds for the headers of a request to the pages of ``beside``."""
HTTP_PORT = 80
NOTICE = 0.1
"""Seconds between being not ready and taking no more connections, so that a balancer can look away first."""
LAST = 1.0
"""Seconds in which calls that were cut short send their answers, before their requests are ended too."""
AFTER = 5.0
"""Seconds past the time of the lifespan's teardown in which all else is over."""


Told = Callable[[], object]


def nothing() -> None:
    """Nobody is told."""


class Uvicorn(uvicorn.Server):
    """uvicorn with its signal handling left to us; ``begun`` is called when it serves, ``closed`` when it has ceased to
    take connections."""

    def __init__(self, config: uvicorn.Config, begun: Told = nothing, closed: Told = nothing) -> None:
        super().__init__(config)
        self._begun, self._closed = begun, closed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        self._begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn, which closes its sockets before it waits for anything."""
        asyncio.get_running_loop().call_soon(self._closed)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(server: Servable, loaded: Loaded, backstop: Backstop | None = None) -> int:
    """Serve until a signal comes; returns the exit status. Raises ``ConfigurationError`` when that would be unsafe."""
    refuse_unsafe_binding(loaded)
    settings = loaded.settings
    with bind(settings.http.host, settings.http.port) as listening, Signals(backstop=backstop) as signals:
        refuse_unsafe_binding(loaded, listening.getsockname()[0])  # a name may mean another address than it says
        async with server.serving(loaded) as live, told(live, "http"):
            now = live.plant.loaded.settings
            ending = Ending(live, now.http.drain, now.teardown + AFTER, backstop)
            anew = await _serve(live, settings, listening, signals, ending)
        if anew:
            reexecute()
        return 0


async def _serve(live: Any, settings: Settings, listening: socket.socket, signals: Signals, ending: Ending) -> bool:
    """Serve to the end; returns whether this process should begin anew after it."""
    sdk = SdkServer(live, keys=keys_of(settings), over_http=True)
    live.publisher = sdk.publisher
    app = application(live, sdk, settings, hosts_of(listening))
    http = settings.http
    runner = Uvicorn(config(app, drain=http.drain + LAST, connections=http.connections, patience=http.receive_timeout))

    def stop() -> None:
        live.drain()
        ending.hurry(http.drain)
        sdk.close()
        app.drain()
        asyncio.get_running_loop().call_later(NOTICE, setattr, runner, "should_exit", True)

    reloading, anew = Reloading(live), Anew(stop)
    signals.listen(anew.end, reloading)
    hooks = live.plant.hooks
    if hooks.retire is None:  # nobody outside can replace this process; its clients can connect again
        hooks.restart, hooks.retire = reexecute, anew.retire
    live.plant.log.info("serving", transport="http", server=live.name, url=f"{url_of(listening)}{MCP_PATH}")
    try:
        await runner.serve(sockets=[listening])
    finally:
        reloading.close()
        ending.spoken()
        await app.close()
    return anew.wanted


def application(
    live: Any,
    sdk: SdkServer,
    settings: Settings,
    hosts: frozenset[str],
    kind: Callable[..., Sessions] = Sessions,
) -> Edge:
    """The whole ASGI application. The edge has checked Host and Origin, so the SDK need not do it again.

    Calls go to the endpoint that ``sdk`` serves, and what an operator asks to ``live``; ``kind`` makes the sessions.
    """
    http = settings.http
    sessions = kind(
        sdk.lowlevel,
        RecentEvents(),
        Shares(http.sessions, http.sessions_each),
        json_response=http.json_response,
        stateless=http.stateless,
        retry_interval=None if http.stateless else RETRY_MS,
        max_request_body_size=settings.limits.message,
        session_idle_timeout=http.session_idle,
        max_sessions=http.sessions,
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    guarded: Any = AuthContextMiddleware(HttpApp(sessions))
    direct = DirectHttp(sdk.endpoint, http, sdk) if settings.fast_path else None
    return Edge(guarded, live, settings, hosts, direct)


def config(app: Any, *, drain: float, connections: int, patience: float) -> uvicorn.Config:
    """uvicorn's configuration: no banner, no access log, no headers that tell what runs here."""
    connection: Any = partial(PunctualConnection, patience=patience)
    return uvicorn.Config(
        app,
        http=connection,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=max(1, round(drain)),
        limit_concurrency=connections + 100,
        h11_max_incomplete_event_size=64 * 1024,
    )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ``ConfigurationError`` when the address is taken."""
    from holdfast.errors import ConfigurationError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named, since asyncio sets TCP_NODELAY only then: without it an answer waits 40 ms for an ACK
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1_024)
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"port {port} cannot be bound: {error.strerror}; choose another with --port") from None
    listening.setblocking(False)
    return listening


def hosts_of(listening: socket.socket) -> frozenset[str]:
    """The Host headers under which a bound address is reached; loopback goes by all its names."""
    host, port = listening.getsockname()[:2]
    names = (
        {"127.0.0.1", "localhost", "[::1]"} if host in ("127.0.0.1", "::1") else {f"[{host}]" if ":" in host else host}
    )
    # clients leave the port of http out (RFC 9110, section 4.2.3)
    return frozenset({f"{name}:{port}" for name in names} | (names if port == HTTP_PORT else set()))


def url_of(listening: socket.socket) -> str:
    """Where a bound address is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def running(app: Any, listening: socket.socket, *, drain: float, connections: int) -> AsyncIterator[None]:
    """Serve ``app`` in the background while entered."""
    runner = Uvicorn(config(app, drain=drain, connections=connections, patience=PATIENCE))
    task = asyncio.create_task(runner.serve(sockets=[listening]), name="holdfast-http")
    try:
        yield
    finally:
        runner.should_exit = True
        await asyncio.wait({task}, timeout=drain + 1)
        task.cancel()
