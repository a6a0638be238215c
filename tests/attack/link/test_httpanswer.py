"""Answers in JSON and as streams of events, whole and cut, and what else is said on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attack.link.test_httpreading import Bytes

from holdfast_attack.link import httpanswer
from holdfast_attack.link.httpanswer import Answer, Wanted, read_answer
from holdfast_attack.link.session import Gone

RESULT = {"jsonrpc": "2.0", "id": 3, "result": {}}
NOTE = {"jsonrpc": "2.0", "method": "notifications/message"}
ASK = {"jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage"}


def stream(*messages: Any, more: bytes = b"") -> bytes:
    events = b"".join(b"id: %d\ndata: %s\n\n" % (place, json.dumps(one).encode()) for place, one in enumerate(messages))
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + events + more


def plain(body: bytes, status: int = 200) -> bytes:
    return (
        b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body
    )


async def answered(data: bytes, wanted: Wanted = httpanswer.ANYTHING) -> Answer:
    answer = Answer()
    await read_answer(Bytes(data, 1_000), answer, wanted)
    return answer


async def test_an_object_is_the_message() -> None:
    answer = await answered(plain(json.dumps(RESULT).encode(), 400))
    reply = answer.reply(0.5)
    assert (reply.message, reply.status, reply.seconds, answer.whole) == (RESULT, 400, 0.5, True)
    assert reply.raw.startswith(b"HTTP/1.1 400")
    assert reply.raw.endswith(b"}")


@pytest.mark.parametrize("body", [b"", b"[1]", b"nonsense", b"\xff"])
async def test_what_is_no_object_is_no_message(body: bytes) -> None:
    answer = await answered(plain(body))
    assert (answer.message, answer.whole) == (None, True)


async def test_a_stream_is_over_when_it_has_answered() -> None:
    told: list[Any] = []
    other = RESULT | {"id": "3"}
    answer = await answered(stream(NOTE, ASK, [1], other, RESULT, NOTE), Wanted(3, told.append))
    assert (answer.message, answer.whole) == (RESULT, True)
    assert answer.notes == [NOTE, ASK, other], 'the id "3" is another one than 3'
    assert told == [ASK]
    assert answer.ids == ["0", "1", "2", "3", "4"]
    assert answer.last_event == "4"


async def test_an_error_without_an_id_answers_too() -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": ""}}
    assert (await answered(stream(NOTE, error), Wanted(3))).message == error


async def test_a_stream_that_ends_without_an_answer_is_whole_and_has_no_message() -> None:
    answer = await answered(stream(NOTE), Wanted(3))
    assert (answer.message, answer.whole, answer.reply(0.0).notes) == (None, True, (NOTE,))


async def test_without_an_id_any_answer_ends_it() -> None:
    assert (await answered(stream(NOTE, RESULT))).message == RESULT


async def test_a_stream_may_be_left_unread() -> None:
    answer = await answered(stream(RESULT), Wanted(stream=False))
    assert (answer.message, answer.whole, bytes(answer.body)) == (None, True, b"")


async def test_what_goes_on_after_the_answer_is_read_and_not_judged() -> None:
    half = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    event = b"data: " + json.dumps(RESULT).encode() + b"\n\n"
    answer = await answered(half + b"%x\r\n%s\r\nzz\r\n" % (len(event), event), Wanted(3))
    assert answer.message == RESULT


async def test_what_was_read_before_the_end_is_kept() -> None:
    answer = Answer()
    with pytest.raises(Gone):
        await read_answer(Bytes(plain(b"hello")[:-2], 1_000), answer, httpanswer.ANYTHING)
    assert answer.head is not None
    assert (answer.whole, answer.reply(0.0).status) == (False, 200)
    assert Answer().reply(1.0).silent


async def test_no_more_notes_are_kept_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpanswer, "NOTES", 3)
    answer = await answered(stream(*[NOTE] * 9, RESULT))
    assert (len(answer.notes), len(answer.ids), answer.message) == (3, 3, RESULT)


async def test_only_the_beginning_of_a_large_body_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpanswer, "LARGEST", 10)
    monkeypatch.setattr(httpanswer, "KEPT", 100)
    answer = await answered(plain(b'{"a":"' + b"x" * 5_000 + b'"}'))
    assert (answer.total, len(answer.body), answer.message) == (5_008, 10, None)
    assert len(answer.reply(0.0).raw) <= 100
