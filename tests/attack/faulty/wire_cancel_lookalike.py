"""Makes numbers of the ids of cancellations: "1_0" cancels 10."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.cancel-lookalike"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def cancel(self, peer: Peer, number: Any) -> None:
        if isinstance(number, str) and "_" in number and number.replace("_", "").isdigit():
            number = int(number)
        super().cancel(peer, number)


if __name__ == "__main__":
    main(Faulty)
