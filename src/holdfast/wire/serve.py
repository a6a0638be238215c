"""Runs a server on a transport: refuses to start what is unsafe, handles signals, and ends in time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol

from holdfast.errors import ConfigurationError, HoldfastError

if TYPE_CHECKING:
    from holdfast.core.layers import Loaded
    from holdfast.wire.claim import Claim

REFUSED = 2
"""Exit status of a server that refuses to start."""
LAST_TASKS = 1.0
"""Seconds that tasks get to end after they were cancelled at the very end."""


class Servable(Protocol):
    """What ``holdfast.server.Server`` is to a wire: a name, settings, and an endpoint while it serves."""

    name: str

    def load_settings(self, **overrides: Any) -> Loaded:
        """The settings, with overrides such as ``http__port``."""
        ...

    def serving(self, loaded: Loaded | None = None) -> AbstractAsyncContextManager[Any]:
        """The live endpoint."""
        ...


def run(
    server: Servable, transport: Literal["stdio", "http"], overrides: Mapping[str, Any], *, claimed: Claim | None = None
) -> None:
    """Serve until the end. A refusal to start is one clear line on stderr and exit status 2."""
    try:
        loaded = server.load_settings(**overrides)
        main = _stdio(server, loaded, claimed) if transport == "stdio" else _http(server, loaded)
        status = run_loop(main)
    except HoldfastError as error:
        sys.stderr.write(f"holdfast: {server.name} does not start: {error}\n")
        raise SystemExit(REFUSED) from None
    finish(status)


async def _stdio(server: Servable, loaded: Loaded, claimed: Claim | None) -> int:
    from holdfast.wire.stdioserver import serve

    return await serve(server, loaded, claimed)


async def _http(server: Servable, loaded: Loaded) -> int:
    from holdfast.wire.http import serve

    return await serve(server, loaded)


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Like ``asyncio.run``, but a task that swallows its cancellation, or a stuck thread, cannot hold up the end."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        with suppress(Exception):  # the end must be reached whatever is left over
            loop.run_until_complete(_end_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


async def _end_tasks() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=LAST_TASKS)


def finish(status: int) -> None:
    """Leave with ``status``; when threads that nobody can stop are left, leave without waiting for them."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if others:
        os._exit(status)
    if status:
        raise SystemExit(status)


class Signals:
    """Turns SIGTERM and SIGINT into one call of ``stop`` while it is entered; the first one decides the exit status."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self.status = 0

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number, status in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
                self._loop.add_signal_handler(number, self._received, status)
        return self

    def __exit__(self, *_error: object) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.remove_signal_handler(number)

    def _received(self, status: int) -> None:
        self.status = self.status or status
        self._stop()


def refuse_unsafe_binding(loaded: Loaded) -> None:
    """Raise ``ConfigurationError`` when HTTP would be open to others without authentication or without a Host list."""
    http, auth = loaded.settings.http, loaded.settings.auth
    if auth.required and auth.tokens is None:
        raise ConfigurationError("authentication is asked for, but no tokens are set: set HOLDFAST_AUTH__TOKENS")
    if http.host in ("127.0.0.1", "::1", "localhost"):
        return
    if auth.tokens is None or auth.required is False:
        raise ConfigurationError("HTTP beyond loopback needs authentication: set HOLDFAST_AUTH__TOKENS")
    if not http.allowed_hosts:
        raise ConfigurationError(
            "HTTP beyond loopback needs the host names it is reached by: set HOLDFAST_HTTP__ALLOWED_HOSTS (JSON list)"
        )
