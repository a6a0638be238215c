"""Answers a notification that it does not know with an error."""

from typing import Any

from sound import Peer, Refused, Sound, main

CASE = "wire.unknown-notification"
TRANSPORT = "stdio"


class Faulty(Sound):
    def notified(self, peer: Peer, message: dict[str, Any]) -> None:
        if not message["method"].startswith("notifications/") or "attack" in message["method"]:
            raise Refused(-32601, "there is no such notification")
        super().notified(peer, message)


if __name__ == "__main__":
    main(Faulty)
