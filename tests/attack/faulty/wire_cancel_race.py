"""Answers a call that is cancelled twice."""

from typing import Any

from sound import Call, Peer, Sound, Stdio, main

CASE = "wire.cancel-race"
TRANSPORT = "stdio"


class Twice(Stdio):
    async def complete(self, call: Call) -> None:
        await super().complete(call)
        if call.task.cancelled():
            answer = {"jsonrpc": "2.0", "id": call.id, "error": {"code": -32000, "message": "cancelled"}}
            await self.send(answer)


class Faulty(Sound):
    over_pipes = Twice

    async def run(self, peer: Peer, call: Call) -> dict[str, Any] | None:
        answer = await super().run(peer, call)
        return answer or {"jsonrpc": "2.0", "id": call.id, "error": {"code": -32000, "message": "cancelled"}}


if __name__ == "__main__":
    main(Faulty)
