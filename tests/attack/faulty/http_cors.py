"""Lets every site read its answers."""

import asyncio

from sound import Answer, Head, Http, Incoming, Sound, main

CASE = "http.cors"
TRANSPORT = "http"


class Open(Http):
    async def answer(self, head: Head, incoming: Incoming, writer: asyncio.StreamWriter) -> Answer:
        if head.method == "OPTIONS":
            return Answer(204, b"", {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"})
        return await super().answer(head, incoming, writer)


class Faulty(Sound):
    over_http = Open


if __name__ == "__main__":
    main(Faulty)
