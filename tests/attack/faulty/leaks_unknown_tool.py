"""Repeats all that was sent to a tool that is not there."""

from typing import Any

from sound import Call, Peer, Refused, Sound, main

CASE = "leaks.unknown-tool"
TRANSPORT = "stdio"


class Faulty(Sound):
    def call(self, peer: Peer, number: int | str, params: dict[str, Any]) -> Call:
        if params.get("name") not in {tool.name for tool in self.tools()}:
            raise Refused(-32602, f"there is no tool for {params}")
        return super().call(peer, number, params)


if __name__ == "__main__":
    main(Faulty)
