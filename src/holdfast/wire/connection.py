"""One HTTP connection of uvicorn's, closed when a request's headers do not arrive in time."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_Installed: Any = AutoHTTPProtocol


class Punctual:
    """Mixed into uvicorn's protocol, which waits for ever for the end of headers: a thousand silent connections would
    shut everybody else out.

    ``patience`` are the seconds from the connection's beginning, or a request's first byte, to the end of its headers;
    between requests uvicorn's own timer for idle connections runs.
    """

    loop: asyncio.AbstractEventLoop
    transport: Any
    cycle: Any

    def __init__(self, *args: Any, patience: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Called by the loop."""
        super().connection_made(transport)  # type: ignore[misc]  # the protocol's
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._stop()
        super().connection_lost(exc)  # type: ignore[misc]  # the protocol's

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        before = self.cycle
        super().data_received(data)  # type: ignore[misc]  # the protocol's
        if self.cycle is not before:  # a request's headers are complete
            self._stop()
        elif self._timer is None and (before is None or before.response_complete):
            self._start()

    def _start(self) -> None:
        self._timer = self.loop.call_later(self._patience, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class PunctualConnection(Punctual, _Installed):  # type: ignore[misc]  # over httptools or h11, whichever is installed
    """uvicorn's connection, with patience."""
