"""Puts notifications in a queue that nobody reads, and dies when it is full."""

import asyncio
from typing import Any

from sound import Peer, Sound, main

CASE = "wire.flood-notifications"
TRANSPORT = "stdio"


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.heard: asyncio.Queue[str] = asyncio.Queue(1_000)

    def notified(self, peer: Peer, message: dict[str, Any]) -> None:
        self.heard.put_nowait(message["method"])
        super().notified(peer, message)


if __name__ == "__main__":
    main(Faulty)
