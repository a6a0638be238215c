"""Has a few streams to listen on for all clients together, and gives them to the first."""

import asyncio

from sound import Answer, Head, Http, HttpRefused, Incoming, Sound, main

CASE = "http.listen-flood"
TRANSPORT = "http"
TWIN = False


class Listening(Http):
    def __init__(self, server: Sound) -> None:
        super().__init__(server)
        self.streams = 0

    async def answer(self, head: Head, incoming: Incoming, writer: asyncio.StreamWriter) -> Answer:
        if head.method != "GET":
            return await super().answer(head, incoming, writer)
        self.server.check_host(head.headers.get("host"))
        self.server.check_origin(head.headers.get("origin"))
        if "text/event-stream" not in head.headers.get("accept", ""):
            raise HttpRefused(406, "a stream is text/event-stream")
        self.server.session(head.headers.get("mcp-session-id"))
        if self.streams >= 32:
            raise HttpRefused(503, "no stream is left")
        self.streams += 1
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n")
            await incoming.gone()
        finally:
            self.streams -= 1
        raise ConnectionError


class Faulty(Sound):
    over_http = Listening


if __name__ == "__main__":
    main(Faulty)
