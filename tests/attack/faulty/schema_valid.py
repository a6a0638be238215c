"""Meets an exception of its own at an empty text, and at one that is long."""

from typing import Any

from sound import Call, Peer, Refused, Sound, main

CASE = "schema.valid"
TRANSPORT = "stdio"


class Faulty(Sound):
    def call(self, peer: Peer, number: int | str, params: dict[str, Any]) -> Call:
        texts = [value for value in dict(params.get("arguments", {})).values() if isinstance(value, str)]
        if any(not 0 < len(text) < 100 for text in texts):
            raise Refused(-32603, "internal error")
        return super().call(peer, number, params)


if __name__ == "__main__":
    main(Faulty)
