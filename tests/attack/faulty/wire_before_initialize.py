"""Leaves what comes before the handshake without an answer."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.before-initialize"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        if not peer.version and message.get("method") == "tools/list":
            return None
        return super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
