"""Drops a request whose id it has seen before without a word."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.id-reused"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.last: Any = None

    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        if "id" in message and message["id"] == self.last:
            return None
        self.last = message.get("id")
        return super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
