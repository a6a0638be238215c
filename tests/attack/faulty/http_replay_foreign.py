"""Replays the events of any stream to whoever names one of them."""

import asyncio

from sound import Answer, Head, Http, HttpRefused, Incoming, Sound, main

CASE = "http.replay-foreign"
TRANSPORT = "http"
TWIN = False


class Replaying(Http):
    def __init__(self, server: Sound) -> None:
        super().__init__(server)
        self.events: list[bytes] = []

    async def answer(self, head: Head, incoming: Incoming, writer: asyncio.StreamWriter) -> Answer:
        if head.method == "GET":
            return self.replayed(head)
        answer = await super().answer(head, incoming, writer)
        if answer.status == 200 and "Mcp-Session-Id" not in answer.headers and head.headers.get("mcp-session-id"):
            self.events = [*self.events[-100:], answer.body]
            return self.stream(answer.body, len(self.events) - 1)
        return answer

    def replayed(self, head: Head) -> Answer:
        self.server.check_host(head.headers.get("host"))
        self.server.check_origin(head.headers.get("origin"))
        last = head.headers.get("last-event-id", "")
        if not last.isdigit() or int(last) >= len(self.events):
            raise HttpRefused(405, "only streams that were broken off", Allow="POST, DELETE")
        return self.stream(self.events[int(last)], int(last))

    def stream(self, body: bytes, number: int) -> Answer:
        return Answer(200, b"id: %d\ndata: %b\n\n" % (number, body), {"Content-Type": "text/event-stream"})


class Faulty(Sound):
    over_http = Replaying


if __name__ == "__main__":
    main(Faulty)
