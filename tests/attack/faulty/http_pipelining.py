"""Forgets what was sent behind a request."""

import asyncio

from sound import Http, Incoming, Sound, main

CASE = "http.pipelining"
TRANSPORT = "http"
SLOW = True


class Forgetful(Http):
    async def exchange(self, incoming: Incoming, writer: asyncio.StreamWriter) -> bool:
        keeps = await super().exchange(incoming, writer)
        incoming.buffer.clear()
        return keeps


class Faulty(Sound):
    over_http = Forgetful


if __name__ == "__main__":
    main(Faulty)
