"""Lists an output schema with a type that JSON Schema does not have."""

from typing import Any

from sound import Peer, Sound, main

CASE = "hygiene.output-schema-valid"
TRANSPORT = "stdio"


class Faulty(Sound):
    def list_tools(self, peer: Peer, params: dict[str, Any]) -> dict[str, Any]:
        listed = super().list_tools(peer, params)
        for tool in listed["tools"]:
            if "outputSchema" in tool:
                tool["outputSchema"] = tool["outputSchema"] | {"properties": {"name": {"type": "text"}}}
        return listed


if __name__ == "__main__":
    main(Faulty)
