"""Agrees to whatever version a client names."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.version-unknown"
TRANSPORT = "stdio"


class Faulty(Sound):
    def initialize(self, peer: Peer, params: dict[str, Any]) -> dict[str, Any]:
        answer = super().initialize(peer, params)
        return answer | {"protocolVersion": params["protocolVersion"]}


if __name__ == "__main__":
    main(Faulty)
