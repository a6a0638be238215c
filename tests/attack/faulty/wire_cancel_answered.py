"""Says that a call was cancelled, and gives its result all the same."""

import asyncio
from typing import Any

from sound import Call, Peer, Sound, Stdio, main

CASE = "wire.cancel-answered"
TRANSPORT = "stdio"


class Saying(Stdio):
    async def complete(self, call: Call) -> None:
        await asyncio.wait(
            {call.task, asyncio.create_task(self.server.cancelled(call.id).wait())}, return_when="FIRST_COMPLETED"
        )
        if not call.task.done():
            answer = {"jsonrpc": "2.0", "id": call.id, "error": {"code": -32000, "message": "cancelled"}}
            await self.send(answer)
        await super().complete(call)


class Faulty(Sound):
    over_pipes = Saying

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[Any, asyncio.Event] = {}

    def cancelled(self, number: int | str) -> asyncio.Event:
        return self.told.setdefault(number, asyncio.Event())

    def cancel(self, peer: Peer, number: Any) -> None:
        call = peer.running.get(number) if isinstance(number, int | str) else None
        if call is not None:
            self.cancelled(call.id).set()


if __name__ == "__main__":
    main(Faulty)
