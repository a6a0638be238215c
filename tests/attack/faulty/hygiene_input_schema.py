"""Lists an input schema with a type that JSON Schema does not have."""

from typing import Any

from sound import Peer, Sound, main

CASE = "hygiene.input-schema"
TRANSPORT = "stdio"


class Faulty(Sound):
    def list_tools(self, peer: Peer, params: dict[str, Any]) -> dict[str, Any]:
        listed = super().list_tools(peer, params)
        listed["tools"][0]["inputSchema"]["properties"]["text"]["type"] = "text"
        return listed


if __name__ == "__main__":
    main(Faulty)
