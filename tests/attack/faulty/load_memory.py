"""Remembers every request for ever."""

from typing import Any

from sound import Peer, Sound, main

CASE = "load.memory"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.history: list[Any] = []

    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        self.history.append((message, b"\1" * 16_384))
        return super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
