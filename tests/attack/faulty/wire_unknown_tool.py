"""Meets an exception of its own when a tool is not there, and says so (-32603)."""

from typing import Any

from sound import Call, Refused, Sound, main

CASE = "wire.unknown-tool"
TRANSPORT = "stdio"


class Faulty(Sound):
    def unknown_tool(self, name: Any) -> Call:
        raise Refused(-32603, "internal error")


if __name__ == "__main__":
    main(Faulty)
