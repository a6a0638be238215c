"""Sends a traceback when a call fails."""

import traceback
from typing import Any

from sound import Sound, Tool, main

CASE = "leaks.traceback"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def perform(self, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.succeeded(await getattr(self, tool.name)(**arguments))
        except Exception:
            return self.failed(traceback.format_exc())


if __name__ == "__main__":
    main(Faulty)
