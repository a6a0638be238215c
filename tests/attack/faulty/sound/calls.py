"""Calls under way: how many there may be, how long each may take, and how one is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sound.errors import BUSY, INVALID_REQUEST, Refused

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Call:
    """One call of a tool that was admitted. ``task`` runs it."""

    id: int | str
    tool: str
    task: asyncio.Task[dict[str, Any]]


@dataclass(slots=True, eq=False)
class Peer:
    """One client as the protocol sees it: a pair of pipes, a session, or a single request of 2026-07-28."""

    version: str = ""
    """Empty before it has begun."""
    running: dict[Any, Call] = field(default_factory=dict)


class Calls:
    """Admission, deadline and cancellation."""

    IN_FLIGHT = 48  # of all clients together
    OF_ONE_TOOL = 32
    DEADLINE = 20.0  # seconds

    def __init__(self) -> None:
        self.admitted: set[Call] = set()

    def begin(self, peer: Peer, number: int | str, tool: str, start: Callable[[], Any]) -> Call:
        """Admit a call and start it; ``release`` gives its place back. Raises ``Refused``."""
        self.unused(peer, number)
        self.admit(number, tool)
        call = Call(number, tool, asyncio.create_task(start()))
        peer.running[self.key(number)] = call
        self.admitted.add(call)
        return call

    def unused(self, peer: Peer, number: int | str) -> None:
        """Two requests of one id cannot be told apart; the error is without it, for the first is to be answered."""
        if self.key(number) in peer.running:
            raise Refused(INVALID_REQUEST, "a request with this id is under way")

    def admit(self, number: int | str, tool: str) -> None:
        """Whether there is room; no tool has all of it."""
        same = sum(call.tool == tool for call in self.admitted)
        if len(self.admitted) >= self.IN_FLIGHT or same >= self.OF_ONE_TOOL:
            data = {"retryable": True, "retryAfter": 0.5}
            raise Refused(BUSY, "busy: too many calls are under way, try again", number, data)

    def key(self, number: Any) -> Any:
        """What a request is known by: 8 and "8" are two."""
        return number

    def release(self, call: Call) -> None:
        """Its answer has been sent, or it has none."""
        self.admitted.discard(call)

    def left(self, call: Call, run: asyncio.Task[Any]) -> None:
        """Nobody waits for a call over HTTP any more: it was answered, or its client went away."""
        run.cancel()
        call.task.cancel()
        self.release(call)

    async def finished(self, peer: Peer, call: Call) -> dict[str, Any] | None:
        """The result of a call; None when it was cancelled. Whoever is cancelled while waiting cancels the call."""
        try:
            done, _ = await asyncio.wait({call.task}, timeout=self.DEADLINE)
            if not done:
                call.task.cancel()
                return self.overdue()
            return None if call.task.cancelled() else call.task.result()
        finally:
            call.task.cancel()
            if peer.running.get(self.key(call.id)) is call:
                del peer.running[self.key(call.id)]

    def overdue(self) -> dict[str, Any]:
        """The result of a call that took too long."""
        text = f"the call was ended: it may take {self.DEADLINE:g} seconds"
        return {"content": [{"type": "text", "text": text}], "isError": True}

    def cancel(self, peer: Peer, number: Any) -> None:
        """Cancel what is under way by this id; nothing when there is none."""
        call = peer.running.get(self.key(number)) if isinstance(number, int | str) else None
        if call is not None and not isinstance(number, bool):
            call.task.cancel()

    async def aside(self, work: Callable[..., T], *arguments: Any) -> T:
        """Blocking work that is bounded by itself, off the loop."""
        return await asyncio.to_thread(work, *arguments)
