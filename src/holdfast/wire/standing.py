"""Streams without an end of their own: they end when the server leaves, and when the token behind them does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from holdfast.wire.monitoring import Receive, Send

Scope = dict[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
End = Callable[[], Awaitable[object]]


async def stand(app: App, scope: Scope, receive: Receive, send: Send, *ends: End) -> None:
    """Serve a stream until it ends, its client leaves, or one of ``ends`` returns.

    To the application the last looks as if the client had left; the client sees the stream end as it should.
    """
    ended = False
    over = asyncio.Event()

    async def watch(end: End) -> None:
        await end()
        over.set()

    async def until_over() -> dict[str, Any]:
        asked, gone = asyncio.ensure_future(receive()), asyncio.ensure_future(over.wait())
        try:
            await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else {"type": "http.disconnect"}
        finally:
            asked.cancel()
            gone.cancel()

    async def noted(event: dict[str, Any]) -> None:
        nonlocal ended
        ended = event["type"] == "http.response.body" and not event.get("more_body", False)
        await send(event)

    watching = [asyncio.create_task(watch(end), name="holdfast-standing") for end in ends]
    try:
        await app(scope, until_over, noted)
        if over.is_set() and not ended:
            with suppress(RuntimeError):  # an answer that was never begun has no end: the server says what happened
                await send({"type": "http.response.body", "body": b""})
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
