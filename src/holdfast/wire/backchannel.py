"""What goes to the client over pipes: answers, several in one write where they come together, and questions."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from holdfast.wire import results
from holdfast.wire.directsession import ClientRefused
from holdfast.wire.recognise import LEVELS

if TYPE_CHECKING:
    from holdfast.wire.pipes import Outlet

TOGETHER: Final = 32
"""Answers that are written at once at most; they wait only while more requests are at hand."""
MAX_ASKED: Final = 1_024
"""Questions that the client has not answered yet."""


class BackChannel:
    """Implements ``Channel`` over an outlet."""

    def __init__(self, outlet: Outlet) -> None:
        self.level = LEVELS[0]
        self._outlet = outlet
        self._held: list[bytes] = []  # bounded by ``TOGETHER``
        self._asked: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._number = 0

    def hold(self, raw: bytes) -> None:
        """Take one message; it is written by the next ``flush``, or when enough are together."""
        self._held.append(raw)
        if len(self._held) >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            self._held.append(b"")
            self._outlet.write(b"\n".join(self._held))
            self._held = []

    def write(self, raw: bytes) -> None:
        """Write one message now, after what is held."""
        self._held.append(raw)
        self.flush()

    async def notify(self, method: str, params: Mapping[str, Any] | None) -> None:
        """See ``Channel.notify``."""
        self.write(results.notification(method, params))
        await self._outlet.drained()

    async def request(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """See ``Channel.request``. A question that is given up is withdrawn."""
        if len(self._asked) >= MAX_ASKED:
            raise ClientRefused
        self._number += 1
        name = f"holdfast-{self._number}"
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[name] = answer
        body = {"jsonrpc": "2.0", "id": name, "method": method} | ({"params": params} if params else {})
        try:
            self.write(results.encode(body))
            return await answer
        except CancelledError:
            self.write(results.notification("notifications/cancelled", {"requestId": name, "reason": "given up"}))
            raise
        finally:
            del self._asked[name]

    def answered(self, body: Mapping[str, Any]) -> bool:
        """Whether a response is to a question of ours; then whoever asked goes on."""
        waiting = self._asked.get(body["id"]) if isinstance(body.get("id"), str) else None
        if waiting is None:
            return False
        if not waiting.done():
            if isinstance(body.get("result"), dict):
                waiting.set_result(body["result"])
            else:
                waiting.set_exception(ClientRefused())
        return True
