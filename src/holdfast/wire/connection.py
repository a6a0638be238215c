"""One HTTP connection of uvicorn's: ended when requests do not come or answers are not read, and told of leaving."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

CONNECTION = "holdfast.connection"
"""Key in the ASGI scope under which the application finds the connection."""
MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers. h11 has a limit of its own, httptools has none."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_JSON = "content-type: application/json\r\ncontent-length: "
_HEADS: Mapping[int, bytes] = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n{_JSON}".encode() for status in HTTPStatus
}
_ORIGIN_FORM = re.compile(rb"(?!//)/[^\x00-\x20#\x7f-\xff]*")
"""A target that is a path, with or without a query."""
_Installed: Any = AutoHTTPProtocol


class Punctual:
    """Mixed into uvicorn's protocol, which waits for ever for the end of headers, and for a client that does not read:
    a thousand silent connections would shut everybody else out.

    ``patience`` are the seconds from the connection's beginning, or a request's first byte, to the end of its headers,
    and those in which a client that lets an answer wait must have taken some of it; between requests uvicorn's own
    timer for idle connections runs.
    """

    loop: asyncio.AbstractEventLoop
    transport: Any
    cycle: Any
    flow: Any
    scope: Any
    url: Any

    def __init__(self, *args: Any, patience: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        self._head = 0
        self._stall: asyncio.TimerHandle | None = None
        self._lost = False
        self._caller: asyncio.Task[Any] | None = None
        self._by_httptools = False
        self._answering: Any = None
        self._app = self.app  # type: ignore[has-type]  # the protocol's
        self.app = self._served

    def _served(self, scope: Any, receive: Any, send: Any) -> Any:
        scope[CONNECTION] = self
        if self._by_httptools:  # requests sent ahead have their cycles already, but their turn comes after this one
            self._answering = send.__self__
        return self._app(scope, receive, send)

    def connection_made(self, transport: Any) -> None:
        """Called by the loop."""
        super().connection_made(transport)  # type: ignore[misc]  # the protocol's
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._stop()
        self.resume_writing()
        self._lost = True
        self._answering = None
        self.app = self._app  # ends the circle, so that the connection goes at once
        super().connection_lost(exc)  # type: ignore[misc]  # the protocol's
        if self._caller is not None:
            self._caller.cancel()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        before = self.cycle
        super().data_received(data)  # type: ignore[misc]  # the protocol's
        if self.cycle is not before:  # a request's headers are complete
            self._stop()
            return
        if self._timer is None and (before is None or before.response_complete):
            self._start()
        if self._timer is not None:
            self._head += len(data)
            if self._head > MAX_HEAD and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_headers_complete(self) -> None:
        """Called by httptools, which would add trailers to the headers after these were checked, and without end."""
        super().on_headers_complete()  # type: ignore[misc]  # the protocol's
        if _ORIGIN_FORM.fullmatch(self.url) is None:
            # RFC 9112, section 3.2: an absolute target would have to win over the Host that was checked
            self.scope["path"] = self.url.decode("latin-1")
        self.headers = _Dropped()
        self._by_httptools = True

    def pause_writing(self) -> None:
        """Called by the loop when the client lets much of an answer wait."""
        super().pause_writing()  # type: ignore[misc]  # the protocol's
        self._watch_stall(-1)

    def resume_writing(self) -> None:
        """Called by the loop when the client has taken it."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        super().resume_writing()  # type: ignore[misc]  # the protocol's

    @property
    def received(self) -> bool:
        """Whether all of the request under way has arrived."""
        return not self.cycle.more_body

    def answer(self, status: int, body: bytes) -> bool:
        """Answer the POST under way with JSON in one piece: uvicorn checks and writes head and body each by itself.

        ``False`` when it has to be sent as usual: over h11, and where anything about the connection is not plain.
        """
        cycle = self._answering
        if cycle is None or cycle.response_started or cycle.disconnected or not cycle.keep_alive:
            return False
        if self.flow.write_paused or cycle.default_headers or cycle.access_log:
            return False
        cycle.response_started = True
        self.transport.write(b"%b%d\r\n\r\n%b" % (_HEADS[status], len(body), body))
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    async def while_there(self, work: Awaitable[None]) -> None:
        """Await ``work``, which is cancelled when the client leaves; then this returns as if it had come to its end."""
        self.flow.resume_reading()  # behind a large body uvicorn reads no more, and would not see the client leave
        self._caller = task = asyncio.current_task()
        try:
            if self._lost and task is not None:
                task.cancel()
            await work
        except asyncio.CancelledError:
            if not self._lost:
                raise
        finally:
            self._caller = None

    def _watch_stall(self, before: int) -> None:
        """Give the connection up when nothing of what waits was taken in the time."""
        left = self.transport.get_write_buffer_size()
        if left == before:
            self.transport.abort()
        else:
            self._stall = self.loop.call_later(self._patience, self._watch_stall, left)

    def _start(self) -> None:
        self._head = 0
        self._timer = self.loop.call_later(self._patience, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Dropped(list[tuple[bytes, bytes]]):
    """Stands for headers that are complete: what is added is lost."""

    def append(self, item: tuple[bytes, bytes]) -> None:
        """Keep nothing."""


class PunctualConnection(Punctual, _Installed):  # type: ignore[misc]  # over httptools or h11, whichever is installed
    """uvicorn's connection, with patience."""
