"""Forgets requests that lay about while it was stopped."""

import asyncio
import time
from typing import Any

from sound import Peer, Sound, main

CASE = "crash.pause"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    async def start(self) -> None:
        self.seen, self.forgets_until = time.monotonic(), 0.0
        self.ticking = asyncio.create_task(self.tick())

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self.look()

    def look(self) -> None:
        now = time.monotonic()
        if now - self.seen > 1.0:
            self.forgets_until = now + 0.5
        self.seen = now

    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        self.look()
        return None if self.seen < self.forgets_until else super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
