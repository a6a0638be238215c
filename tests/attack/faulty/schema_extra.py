"""Leaves out what it does not know without a word."""

from typing import Any

from sound import Sound, Tool, main

CASE = "schema.extra"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def perform(self, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        return await super().perform(tool, {name: arguments[name] for name in tool.properties if name in arguments})


if __name__ == "__main__":
    main(Faulty)
