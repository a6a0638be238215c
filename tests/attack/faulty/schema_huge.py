"""Is silent about texts that are longer than it likes."""

import asyncio
from typing import Any

from sound import Sound, Tool, main

CASE = "schema.huge"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    async def perform(self, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        if any(isinstance(value, str) and len(value) > 100_000 for value in arguments.values()):
            await asyncio.Event().wait()
        return await super().perform(tool, arguments)


if __name__ == "__main__":
    main(Faulty)
