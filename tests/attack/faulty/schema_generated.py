"""Meets an exception of its own at letters that are not those of ASCII."""

from typing import Any

from sound import Call, Peer, Refused, Sound, main

CASE = "schema.generated"
TRANSPORT = "stdio"


class Faulty(Sound):
    def call(self, peer: Peer, number: int | str, params: dict[str, Any]) -> Call:
        texts = [value for value in dict(params.get("arguments", {})).values() if isinstance(value, str)]
        if any(not text.isascii() or not text.isprintable() for text in texts):
            raise Refused(-32603, "internal error")
        return super().call(peer, number, params)


if __name__ == "__main__":
    main(Faulty)
