"""Makes numbers of ids that look like some: the answer to "8" is one to 8."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.id-types"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def response(self, peer: Peer, number: int | str, result: dict[str, Any]) -> dict[str, Any]:
        return super().response(peer, self.numbered(number), result)

    def numbered(self, number: int | str) -> int | str:
        return int(number) if isinstance(number, str) and number.isdigit() else number

    def take(self, peer: Peer, message: dict[str, Any]) -> Any:
        if "id" in message:
            message["id"] = self.numbered(message["id"])
        return super().take(peer, message)


if __name__ == "__main__":
    main(Faulty)
