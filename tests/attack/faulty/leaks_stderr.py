"""Writes the arguments of each call into its log."""

import sys
from typing import Any

from sound import Sound, Tool, main

CASE = "leaks.stderr"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def perform(self, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        print(tool.name, arguments, file=sys.stderr, flush=True)
        return await super().perform(tool, arguments)


if __name__ == "__main__":
    main(Faulty)
