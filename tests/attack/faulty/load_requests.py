"""Leaves every fiftieth request without an answer."""

from typing import Any

from sound import Peer, Sound, main

CASE = "load.requests"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    count = 0

    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        self.count += 1
        return None if self.count % 50 == 0 else super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
