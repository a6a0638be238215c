"""Takes on as many calls as it is sent, and makes room for the answer of each."""

from typing import Any

from sound import Sound, Tool, main

CASE = "load.in-flight"
TRANSPORT = "stdio"


class Faulty(Sound):
    IN_FLIGHT = OF_ONE_TOOL = 1_000_000

    async def perform(self, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        room = bytearray(b"\1" * 65_536)
        result = await super().perform(tool, arguments)
        del room
        return result


if __name__ == "__main__":
    main(Faulty)
