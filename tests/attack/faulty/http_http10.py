"""Answers a client of HTTP/1.0 in chunks."""

import asyncio

from sound import Answer, Head, Http, Incoming, Sound, main

CASE = "http.http10"
TRANSPORT = "http"


class Chunked(Http):
    async def answer(self, head: Head, incoming: Incoming, writer: asyncio.StreamWriter) -> Answer:
        answer = await super().answer(head, incoming, writer)
        if head.minor == 0:
            answer.body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(answer.body), answer.body)
            answer.headers["Transfer-Encoding"] = "chunked"
        return answer


class Faulty(Sound):
    over_http = Chunked


if __name__ == "__main__":
    main(Faulty)
