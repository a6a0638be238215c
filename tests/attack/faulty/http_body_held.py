"""Reads one body to its end before it reads the next."""

import asyncio

from sound import Http, Incoming, Sound, main

CASE = "http.body-held"
TRANSPORT = "http"


class InTurn(Incoming):
    BODY_SECONDS = 15.0
    turn = asyncio.Lock()

    async def body(self, length: int | None) -> bytes:
        async with self.turn:
            return await super().body(length)


class InTurnHttp(Http):
    incoming = InTurn


class Faulty(Sound):
    over_http = InTurnHttp


if __name__ == "__main__":
    main(Faulty)
