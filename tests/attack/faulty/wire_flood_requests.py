"""Never forgets an id, and dies when its table is full."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.flood-requests"
TRANSPORT = "stdio"


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.table: list[Any] = [None] * 1_500
        self.free = 0

    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        self.table[self.free] = message.get("id")
        self.free += "id" in message
        return super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
