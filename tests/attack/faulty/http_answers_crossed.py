"""Finds answers by the id of the request alone, whoever asked."""

import asyncio
from typing import Any

from sound import Call, Peer, Sound, main

CASE = "http.answers-crossed"
TRANSPORT = "http"


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[Any, Any] = {}

    async def run(self, peer: Peer, call: Call) -> dict[str, Any] | None:
        answer = self.answers.setdefault(call.id, await super().run(peer, call))
        asyncio.get_running_loop().call_later(0.3, self.answers.pop, call.id, None)
        return answer


if __name__ == "__main__":
    main(Faulty)
