"""Takes requests whose id is nought or empty for notifications."""

from typing import Any

from sound import Call, Peer, Sound, main

CASE = "wire.id-odd"
TRANSPORT = "stdio"


class Faulty(Sound):
    def take(self, peer: Peer, message: dict[str, Any]) -> dict[str, Any] | Call | None:
        number = message.get("id")
        if number == "" or (number == 0 and not isinstance(number, bool)):
            return self.notified(peer, message)
        return super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
