"""Has the schema of a tool stand at an address, from which a client may fetch it."""

from typing import Any

from sound import Peer, Sound, main

CASE = "schema.remote-ref"
TRANSPORT = "stdio"


class Faulty(Sound):
    def list_tools(self, peer: Peer, params: dict[str, Any]) -> dict[str, Any]:
        listed = super().list_tools(peer, params)
        listed["tools"][0]["inputSchema"]["properties"]["text"] = {"$ref": "https://example.com/text.json"}
        return listed


if __name__ == "__main__":
    main(Faulty)
