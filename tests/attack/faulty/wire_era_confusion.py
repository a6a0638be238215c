"""Leaves requests of the other era without an answer."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.era-confusion"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        enveloped = "io.modelcontextprotocol/protocolVersion" in message.get("params", {}).get("_meta", {})
        if peer.version and "id" in message and enveloped != (peer.version == "2026-07-28"):
            return None
        return super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
