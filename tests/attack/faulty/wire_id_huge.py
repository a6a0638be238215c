"""Gives long ids back cut, so that no client can match the answer."""

from typing import Any

from sound import Peer, Sound, main

CASE = "wire.id-huge"
TRANSPORT = "stdio"


class Mended(Sound):
    LINE = 2_000_000


class Faulty(Mended):
    ID = 2_000_000

    def response(self, peer: Peer, number: int | str, result: dict[str, Any]) -> dict[str, Any]:
        return super().response(peer, number[:256] if isinstance(number, str) else number, result)


if __name__ == "__main__":
    main(Faulty, Mended)
