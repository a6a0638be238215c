"""Leaves a second handshake without an answer."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.initialize-twice"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        if peer.version and message.get("method") == "initialize":
            return None
        return super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
