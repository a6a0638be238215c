"""Lets a request wait for ever whose id is under way."""

import asyncio
from typing import Any

from sound import Answer, Http, Incoming, Peer, Sound, main

CASE = "http.id-reused"
TRANSPORT = "http"
SLOW = True


class Waiting(Http):
    async def taken(self, peer: Peer, message: dict[str, Any], incoming: Incoming) -> Answer:
        if message.get("id") in peer.running:
            await asyncio.Event().wait()
        return await super().taken(peer, message, incoming)


class Faulty(Sound):
    over_http = Waiting


if __name__ == "__main__":
    main(Faulty)
