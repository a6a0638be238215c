"""Dies of a cancellation of what is no id."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.cancel-unknown"
TRANSPORT = "stdio"


class Faulty(Sound):
    def cancel(self, peer: Peer, number: Any) -> None:
        call = peer.running.get(self.key(number))
        if call is not None:
            call.task.cancel()


if __name__ == "__main__":
    main(Faulty)
