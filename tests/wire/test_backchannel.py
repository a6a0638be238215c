"""What goes to the client: several answers in one write, in order, and questions with their answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from holdfast.wire import backchannel
from holdfast.wire.backchannel import TOGETHER, BackChannel
from holdfast.wire.directsession import ClientRefused


class Sink:
    """Notes each write; ``room`` is set while there is room for more."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.room = asyncio.Event()
        self.room.set()

    def write(self, raw: bytes) -> None:
        """Note it."""
        self.writes.append(raw)

    async def drained(self) -> None:
        """Wait for room."""
        await self.room.wait()

    @property
    def said(self) -> list[dict[str, Any]]:
        """Every message."""
        return [json.loads(line) for line in b"".join(self.writes).splitlines()]


def channel() -> tuple[BackChannel, Sink]:
    sink = Sink()
    return BackChannel(sink), sink  # type: ignore[arg-type]


async def test_what_is_held_is_written_at_once_and_in_order() -> None:
    back, sink = channel()
    back.flush()
    assert sink.writes == []
    for number in range(3):
        back.hold(b"%d" % number)
    assert sink.writes == []
    back.flush()
    back.flush()
    assert sink.writes == [b"0\n1\n2\n"]
    back.hold(b"3")
    back.write(b"4")
    assert sink.writes[1:] == [b"3\n4\n"], "what is written now goes after what is held"


async def test_no_more_is_held_than_may_be() -> None:
    back, sink = channel()
    for _ in range(TOGETHER * 2 + 1):
        back.hold(b"x")
    assert [raw.count(b"\n") for raw in sink.writes] == [TOGETHER, TOGETHER]


async def test_a_notification_goes_out_and_waits_while_the_client_does_not_read() -> None:
    back, sink = channel()
    back.hold(b'"answer"')
    sink.room.clear()
    telling = asyncio.ensure_future(back.notify("a/b", {"x": 1}))
    await asyncio.sleep(0)
    assert sink.said == ["answer", {"jsonrpc": "2.0", "method": "a/b", "params": {"x": 1}}]
    assert not telling.done()
    sink.room.set()
    await telling


async def test_questions_are_numbered_and_each_gets_its_own_answer() -> None:
    back, sink = channel()
    asking = [asyncio.ensure_future(back.request("a/b", params)) for params in ({"x": 1}, {})]
    await asyncio.sleep(0)
    first, second = sink.said
    assert first == {"jsonrpc": "2.0", "id": "holdfast-1", "method": "a/b", "params": {"x": 1}}
    assert "params" not in second
    assert back.answered({"id": second["id"], "result": {"n": 2}})
    assert back.answered({"id": second["id"], "result": {"n": 3}}), "the first answer counts, also before it is heard"
    assert back.answered({"id": first["id"], "error": {"code": 1, "message": "no"}})
    assert await asking[1] == {"n": 2}
    with pytest.raises(ClientRefused):
        await asking[0]
    assert not back.answered({"id": second["id"], "result": {}})
    assert back._asked == {}


@pytest.mark.parametrize("request_id", [1, "1", None, "holdfast-0", "holdfast-2", ["holdfast-1"]])
async def test_an_answer_to_nothing_is_none(request_id: Any) -> None:
    back, _ = channel()
    asking = asyncio.ensure_future(back.request("a/b", {}))
    await asyncio.sleep(0)
    assert not back.answered({"id": request_id, "result": {}})
    assert not back.answered({"error": {}})
    assert back.answered({"id": "holdfast-1", "result": {}})
    await asking


@pytest.mark.parametrize("late", [False, True])
async def test_a_question_that_is_given_up_is_withdrawn_once(late: bool) -> None:
    back, sink = channel()
    asking = asyncio.ensure_future(back.request("a/b", {}))
    await asyncio.sleep(0)
    if late:
        back.answered({"id": "holdfast-1", "result": {}})
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [line["method"] for line in sink.said] == ["a/b", "notifications/cancelled"]
    assert sink.said[1]["params"]["requestId"] == "holdfast-1"
    assert back._asked == {}


async def test_no_more_questions_are_open_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backchannel, "MAX_ASKED", 1)
    back, sink = channel()
    asking = asyncio.ensure_future(back.request("a/b", {}))
    await asyncio.sleep(0)
    with pytest.raises(ClientRefused):
        await back.request("a/b", {})
    assert len(sink.said) == 1
    back.answered({"id": "holdfast-1", "result": {}})
    await asking
