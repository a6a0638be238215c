"""A connection over pipes: plain calls are served by the task that reads them, everything else by the SDK."""

from __future__ import annotations

import asyncio
import contextvars
import time
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from holdfast.wire import results
from holdfast.wire.backchannel import BackChannel
from holdfast.wire.direct import INTERNAL_ERROR, Direct, DirectCall, served
from holdfast.wire.messages import same_id
from holdfast.wire.relay import Relay
from holdfast.wire.remembered import TOLD

if TYPE_CHECKING:
    from holdfast.core.endpoint import Endpoint
    from holdfast.core.pipeline import Answer
    from holdfast.core.principal import Principal
    from holdfast.wire.messages import Message
    from holdfast.wire.pipes import Intake, Outlet
    from holdfast.wire.remembered import Remembered
    from holdfast.wire.stdio import Lines

TURN: Final = 0.005
"""Seconds that calls are served in a row before others get a turn on the event loop."""
LAST: Final = 1.0
"""Seconds that calls get to end once the connection has."""
PATIENCE: Final = 1.0
"""Seconds that the client gets to take news; it is written already, so it is only waited for."""


class Conversation:
    """Leader and followers: one task reads and serves what it has read itself, so that a call costs no hand-over. When
    a call has to wait for something the next task takes the lead, and the one that waited answers and ends.
    """

    def __init__(  # noqa: PLR0913 - what a connection is made of
        self,
        endpoint: Endpoint,
        intake: Intake,
        outlet: Outlet,
        lines: Lines,
        server: Callable[[], Any],
        remembered: Remembered | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._intake = intake
        self._lines = lines
        self._server = server
        self._back = BackChannel(outlet)
        lines.ahead = self._back.flush
        self._direct = Direct(endpoint, self._back)
        self._remembered = remembered
        self._relay: Relay | None = None
        self._leader: asyncio.Task[None] | None = None
        self._inside: DirectCall | None = None  # what the leader serves; seen from a callback: what it waits in
        self._leaders: set[asyncio.Task[None]] = set()  # bounded by the requests under way
        self._calls: dict[int | str, tuple[DirectCall, asyncio.Task[None]]] = {}  # by ``same_id``; bounded likewise
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._closing = False

    async def serve(self) -> None:
        """Serve the connection to its end."""
        self._intake.on_news = self._news
        if self._remembered is not None:
            self._resume(self._remembered)
        self._take_lead()
        try:
            await self._over
        finally:
            self._closing = True
            for leader in self._leaders:
                leader.cancel()
            if self._leaders:
                await asyncio.wait(self._leaders, timeout=LAST)
            if self._relay is not None:
                await self._relay.end()
            self._back.flush()

    def _resume(self, remembered: Remembered) -> None:
        """Take the connection for what it was to the worker before."""
        if remembered.opening is not None:
            self._direct.resume(remembered)
            self._back.level = self._direct.level
            if remembered.followed or self._direct.off:
                self._relaying()
            news = remembered.news(self._endpoint)
            for kind in news if remembered.initialized else ():
                self._back.hold(results.notification(f"notifications/{kind}/list_changed", None))

    # -- who reads -----------------------------------------------------------------------------------------------------

    def _take_lead(self) -> None:
        self._inside = None
        self._leader = self._loop.create_task(self._lead(), name="holdfast-stdio", context=self._context.copy())
        self._leaders.add(self._leader)
        self._leader.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._leaders.discard(task)
        if task is self._leader and not self._closing and not self._over.done():
            self._take_lead()  # a tool has cancelled it, or worse: without a leader the connection would hang for ever

    def _news(self) -> None:
        """Lines have come, or their end: somebody must read, and not wait until a call ends."""
        if self._inside is not None and not self._closing:
            self._take_lead()

    def _check(self, call: DirectCall, turns: int) -> None:
        """Lines had come already when a call began: somebody must read them if it waits for longer than ``turns``."""
        if self._inside is not call:
            return
        if turns:
            self._loop.call_soon(self._check, call, turns - 1)
        else:
            self._back.flush()
            self._news()

    async def _lead(self) -> None:
        me = asyncio.current_task()
        turn_ends = time.monotonic() + TURN
        try:
            while self._leader is me:
                if (self._intake.waiting or self._lines.behind) and time.monotonic() > turn_ends:
                    self._back.flush()
                    await asyncio.sleep(0)
                    turn_ends = time.monotonic() + TURN
                message = await self._lines.message()
                if message is None:
                    self._end(None)
                    return
                await self._one(message, me)
            self._back.flush()
        except Exception as error:  # boundary: without a leader the connection would hang for ever
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    # -- what was read -------------------------------------------------------------------------------------------------

    async def _one(self, message: Message, me: Any) -> None:
        if self._remembered is not None and message.body.get("method") in TOLD:
            self._remembered.hear(message.body)
            if message.body["method"] == "initialize":
                self._remembered.news(self._endpoint)
        if message.kind == "request":
            answer = self._direct.take(message.body)
            if isinstance(answer, bytes):
                self._answer(message.body["id"], answer)
            elif answer is None:
                self._noted(message)
                await self._relayed(message)
            else:
                await self._serve(answer, me)
        elif message.kind == "notification":
            await self._heard(message)
        elif not self._back.answered(message.body) and self._relay is not None:
            await self._relay.put(message)

    def _answer(self, request_id: int | str, raw: bytes) -> None:
        self._lines.settle(request_id)  # before: it goes with the answer, which may be written at once
        self._back.hold(raw)

    async def _serve(self, call: DirectCall, me: Any) -> None:
        key = same_id(call.id)
        self._calls[key] = (call, me)
        self._inside = call
        if self._intake.waiting or self._lines.behind or self._intake.ended.is_set():
            self._loop.call_soon(self._check, call, 1)  # quick calls end in the turn after the one they begin in
        try:
            raw = await served(self._endpoint, call, self._direct.stamp, self._judged)
        except CancelledError:
            if self._closing or call.cancelled:
                self._lines.drop(call.id)
                raise
            while me.uncancel():
                pass
            raw = results.failure(call.id, INTERNAL_ERROR, "the tool ended its own call")
        finally:
            del self._calls[key]
            if self._leader is me:
                self._inside = None
        if call.cancelled:
            self._lines.drop(call.id)  # it ended well all the same, but nobody waits for it
        else:
            self._answer(call.id, raw)

    async def _judged(self, call: DirectCall, answer: Answer) -> bytes:
        sdk = await self._relaying().joined()
        raw: bytes = await sdk.judged(call, answer, self._direct.era == "modern")
        return raw

    async def _heard(self, message: Message) -> None:
        method, params = message.body["method"], message.body.get("params")
        if method == "notifications/cancelled" and self._cancelled(params):
            return
        if method == "notifications/initialized" or self._direct.era is None:
            self._noted(message)  # and told to the SDK when it joins
        if self._relay is not None or self._direct.off:
            await self._relayed(message)

    def _noted(self, message: Message) -> None:
        self._direct.noted(message.body["method"], message.body.get("params"))
        self._back.level = self._direct.level

    def _cancelled(self, params: Any) -> bool:
        wanted: Any = params.get("requestId") if isinstance(params, dict) else None
        found = self._calls.get(same_id(wanted)) if type(wanted) in (int, str) else None
        if found is None:
            return False
        call, task = found
        call.cancelled = call.session.closed = True
        task.cancel()
        return True

    # -- the SDK -------------------------------------------------------------------------------------------------------

    def _relaying(self) -> Relay:
        if self._relay is None:
            kept, context = self._remembered, self._context.copy()
            before = self._direct.beginning() if kept is None or not self._direct.resumed else kept.repeated()
            self._relay = Relay(self._lines, self._server, before, self._unserved, context)
        return self._relay

    async def _relayed(self, message: Message) -> None:
        await self._relaying().put(message)

    def _unserved(self) -> None:
        """The SDK is gone: what it was asked is answered all the same."""
        self._lines.fail(INTERNAL_ERROR, "Internal error", self._calls)

    async def changed(
        self, kind: Literal["tools", "prompts", "resources"], whom: Callable[[Principal], bool] | None = None
    ) -> None:
        """See ``core.context.Publisher``."""
        if self._remembered is not None:
            self._remembered.news(self._endpoint)
        if whom is not None and not whom(self._endpoint.local):
            return
        sdk = None if self._relay is None else self._relay.sdk
        if sdk is not None:
            await sdk.publisher.changed(kind)
        if self._direct.initialized and (sdk is None or not len(sdk.clients)):
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._back.notify(f"notifications/{kind}/list_changed", None)

    async def updated(self, uri: str) -> None:
        """See ``core.context.Publisher``; whoever follows a resource has told the SDK so."""
        if self._relay is not None and self._relay.sdk is not None:
            await self._relay.sdk.publisher.updated(uri)
