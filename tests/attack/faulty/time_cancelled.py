"""Does not hear cancellations."""

from typing import Any

from sound import Peer, Sound, main

CASE = "time.cancelled"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def cancel(self, peer: Peer, number: Any) -> None:
        """Go on."""


if __name__ == "__main__":
    main(Faulty)
