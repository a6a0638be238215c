"""Answers a notification with 200 and a body."""

from typing import Any

from sound import Answer, Http, Incoming, Peer, Sound, main

CASE = "http.accepted"
TRANSPORT = "http"


class Chatty(Http):
    async def taken(self, peer: Peer, message: dict[str, Any], incoming: Incoming) -> Answer:
        answer = await super().taken(peer, message, incoming)
        return Answer(200, b"{}") if answer.status == 202 else answer


class Faulty(Sound):
    over_http = Chatty


if __name__ == "__main__":
    main(Faulty)
