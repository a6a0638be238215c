"""The SDK behind one connection over pipes; it joins when the first message comes that it has to answer."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from holdfast.wire.messages import REPEATED
from holdfast.wire.streams import Stream

if TYPE_CHECKING:
    from holdfast.wire.messages import Message
    from holdfast.wire.stdio import Lines

MAX_WAITING: Final = 256
"""Messages that wait for the SDK, before no more are read."""
LAST: Final = 1.0
"""Seconds that the SDK gets to end once the connection has."""


class Relay(Stream):
    """Both streams that the SDK serves, in ``context``.

    ``before`` is what it has to know of the connection's beginning. Should it fail, ``lost`` is called then and for
    each further message: what it was to answer has to be answered by somebody else.
    """

    def __init__(
        self,
        lines: Lines,
        server: Callable[[], Any],
        before: Iterable[Message],
        lost: Callable[[], None],
        context: contextvars.Context,
    ) -> None:
        self.sdk: Any = None
        """The ``SdkServer``, once it has joined."""
        self._lines = lines
        self._server = server
        self._items: deque[Message] = deque(before)
        self._lost = lost
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False
        self._failed = False
        loop = asyncio.get_running_loop()
        self._joined: asyncio.Future[Any] = loop.create_future()
        lines.loading = self._joined
        self._task = loop.create_task(self._serve(), name="holdfast-sdk", context=context)

    async def joined(self) -> Any:
        """The ``SdkServer``, as soon as there is one. Raises ``RuntimeError`` when there will be none."""
        sdk = await asyncio.shield(self._joined)
        if sdk is None:
            raise RuntimeError("the SDK could not join")
        return sdk

    async def put(self, message: Message) -> None:
        """Hand a message over; waits while too many do."""
        await self._room.wait()
        if self._failed:
            self._lost()
            return
        self._items.append(message)
        self._news.set()
        if len(self._items) >= MAX_WAITING:
            self._room.clear()

    async def end(self) -> None:
        """Nothing more will come: the SDK gets a moment for its last words."""
        self._ended = True
        self._news.set()
        self._room.set()
        _, late = await asyncio.wait({self._task}, timeout=LAST)
        for task in late:
            task.cancel()
            await asyncio.wait({task}, timeout=LAST)

    async def _serve(self) -> None:
        try:
            # loaded aside, since it takes a second in which calls go on
            codec = await asyncio.to_thread(importlib.import_module, "holdfast.wire.sdkcodec")
            await asyncio.to_thread(importlib.import_module, "holdfast.wire.sdk")
            self._lines.codec = codec.SdkCodec()
            self.sdk = self._server()
            self._joined.set_result(self.sdk)
            await self.sdk.serve_streams(self, self)
        except Exception:  # boundary: plain calls go on without it
            logging.getLogger("holdfast.wire").exception("the SDK's part of the connection has ended")
        finally:
            if not self._joined.done():
                self._joined.set_result(None)
            if not self._ended:
                self._failed = True
                self._items.clear()
                self._room.set()  # whoever waits there learns that nobody takes it
                self._lost()

    async def __anext__(self) -> Any:
        while not self._items:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        message = self._items.popleft()
        if len(self._items) < MAX_WAITING // 2:
            self._room.set()
        return self._lines.coded(message)

    async def send(self, item: Any) -> None:
        """Send one message of the SDK's."""
        if not str(self._lines.codec.outbound(item).get("id")).startswith(REPEATED):
            await self._lines.send(item)
