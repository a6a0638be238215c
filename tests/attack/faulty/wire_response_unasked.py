"""Dies of a response to a request that it never made."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.response-unasked"
TRANSPORT = "stdio"


class Faulty(Sound):
    def answered(self, peer: Peer, message: dict[str, Any]) -> None:
        asked: dict[Any, Any] = {}
        asked.pop(message["id"]).set_result(message.get("result"))


if __name__ == "__main__":
    main(Faulty)
