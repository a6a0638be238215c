"""Has eight places for the calls of all tools, and lets those that wait have them all."""

import asyncio
from typing import Any

from sound import Sound, Tool, main

CASE = "time.many-sleeping"
TRANSPORT = "stdio"


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.places = asyncio.Semaphore(8)

    async def perform(self, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        async with self.places:
            return await super().perform(tool, arguments)


if __name__ == "__main__":
    main(Faulty)
