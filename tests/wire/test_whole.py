"""What is sent to a client of HTTP/1.0 has a length, whatever the answer was made of."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.wire import whole
from holdfast.wire.whole import Whole


class Sent:
    """What was sent on."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def __call__(self, message: dict[str, Any]) -> None:
        self.messages.append(message)


def start(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_pieces_are_sent_as_one_with_their_length() -> None:
    sent = Sent()
    send = Whole(sent)
    await send(start((b"content-type", b"text/event-stream")))
    for piece in (body(b"one", more=True), body(b"two", more=True), body(b"")):
        assert sent.messages == []
        await send(piece)
    assert sent.messages[0]["headers"] == [(b"content-type", b"text/event-stream"), (b"content-length", b"6")]
    assert sent.messages[1]["body"] == b"onetwo"


async def test_what_has_a_length_goes_on_at_once() -> None:
    sent = Sent()
    send = Whole(sent)
    messages = [start((b"Content-Length", b"2")), body(b"a", more=True), body(b"b")]
    for message in messages:
        await send(message)
    assert sent.messages == messages


async def test_an_answer_without_an_end_is_told_of_and_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "MOST", 10)
    sent = Sent()
    send = Whole(sent)
    await send(start())
    for _ in range(5):
        await send(body(b"12345", more=True))
    assert [message["type"] for message in sent.messages] == ["http.response.start", "http.response.body"]
    assert sent.messages[0]["status"] == 505
    assert int(dict(sent.messages[0]["headers"])[b"content-length"]) == len(sent.messages[1]["body"])
