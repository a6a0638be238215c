"""The client's side of a call without the SDK: what it is told, what it is asked, and what comes of odd answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from support.calls import server_in
from support.peers import ENVELOPE, MODERN, code_of, text_of
from support.wires import Far, called, conversing, hello

from holdfast import Context, Limits, Server
from holdfast.core.context import InputRequired
from holdfast.core.questions import roots_request
from holdfast.errors import ToolError
from holdfast.wire.directsession import ClientRefused, DirectSession
from holdfast.wire.recognise import Envelope

ROOTS = {"q1": roots_request()}


class Heard:
    """A channel that notes what goes through it, and answers what it was told to."""

    def __init__(self, answer: Any = None) -> None:
        self.level = "debug"
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.answer = answer

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Note it."""
        self.told.append((method, params))

    async def request(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer, or refuse."""
        self.asked.append((method, params))
        if self.answer is None:
            raise ClientRefused
        found: Mapping[str, Any] = self.answer
        return found


def session(channel: Heard, era: Any = "handshake", **envelope: Any) -> DirectSession:
    """A session of a client that can answer everything."""
    return DirectSession(channel, era, {"roots": {}}, Envelope({}, **envelope))


async def test_progress_is_told_to_who_asked_for_it() -> None:
    channel = Heard()
    await session(channel).progress(1, 2, "x")
    assert channel.told == []
    await session(channel, progress=0).progress(1, None, None)
    await session(channel, progress="t").progress(0.5, 2, "x")
    assert [params for _, params in channel.told] == [
        {"progressToken": 0, "progress": 1},
        {"progressToken": "t", "progress": 0.5, "total": 2, "message": "x"},
    ]


async def test_messages_are_told_from_the_level_that_each_era_has_asked_for() -> None:
    channel = Heard()
    channel.level = "warning"
    for era, level in (("handshake", "error"), ("modern", None), ("modern", "error")):
        known = session(channel, era, level=level)
        for said in ("debug", "warning", "error", "no level"):
            await known.log(said, {"a": said}, None if said == "error" else "l")  # type: ignore[arg-type]
    assert [params for _, params in channel.told] == [
        {"level": "warning", "data": {"a": "warning"}, "logger": "l"},
        {"level": "error", "data": {"a": "error"}},
        {"level": "error", "data": {"a": "error"}},
    ]


async def test_an_answered_call_has_nothing_more_to_say_and_nothing_to_ask() -> None:
    channel = Heard({"roots": []})
    known = session(channel, progress=1, level="debug")
    known.closed = True
    await known.progress(1, 2, None)
    await known.log("error", "x", None)
    with pytest.raises(ToolError, match="did not answer"):
        await known.ask(ROOTS)
    await known.close_stream()
    assert (channel.told, channel.asked) == ([], [])


async def test_a_question_of_today_ends_the_call_for_now() -> None:
    channel = Heard()
    with pytest.raises(InputRequired) as asked:
        await session(channel, "modern").ask(ROOTS)
    assert (asked.value.requests, asked.value.state) == (ROOTS, {})
    assert channel.asked == []


async def test_a_question_of_before_is_sent_and_its_answer_checked() -> None:
    channel = Heard({"roots": [{"uri": "file:///a", "odd": 1}], "more": 2})
    known = session(channel)
    assert (await known.ask(ROOTS))["q1"]["roots"][0]["uri"] == "file:///a"
    assert channel.asked == [("roots/list", {})]
    assert known.offers("roots")
    assert not known.offers("sampling")


@pytest.mark.parametrize("answer", [None, {}, {"roots": 5}, {"roots": [5]}])
async def test_an_answer_that_is_an_error_or_makes_no_sense_is_the_clients_fault(answer: Any) -> None:
    with pytest.raises(ToolError, match="the client did not answer"):
        await session(Heard(answer)).ask(ROOTS)


# -- over a socket -----------------------------------------------------------------------------------------------------


class Pet(BaseModel):
    """A form."""

    name: str


def asking(base: Path) -> Server:
    server = server_in(base)

    @server.tool(limits=Limits(timeout=30))
    async def adopt(ctx: Context) -> str:
        """Ask for a pet."""
        answer = await ctx.elicit("Which pet?", Pet)
        return answer.data.name if answer.data else answer.action

    @server.tool(limits=Limits(timeout=0.3))
    async def hurry(ctx: Context) -> str:
        """Ask, with little time."""
        return (await ctx.elicit("Which pet?", Pet)).action

    @server.tool
    def threaded(ctx: Context) -> str:
        """Ask from a thread."""
        answer = ctx.wait(ctx.elicit("Which pet?", Pet))
        return answer.data.name if answer.data else answer.action

    return server


async def asked(far: Far) -> dict[str, Any]:
    question = await far.reply()
    assert question["method"] == "elicitation/create"
    assert question["params"]["requestedSchema"]["properties"]["name"]["type"] == "string"
    return question


@pytest.mark.parametrize("tool", ["adopt", "threaded"])
async def test_a_client_is_asked_while_its_call_waits_and_others_are_served(tmp_path: Path, tool: str) -> None:
    async with conversing(asking(tmp_path)) as (far, near):
        far.send(called(1, tool), {"id": 2, "method": "ping"})
        lines = {line.get("id"): line for line in [await far.reply(), await far.reply()]}
        (question,) = [line for line in lines.values() if "method" in line]
        assert lines[2]["result"] == {}
        for _ in range(2):  # the second time nobody asks any more
            far.send({"id": question["id"], "result": {"action": "accept", "content": {"name": "Rex"}}})
        answer = await far.reply()
        assert (answer["id"], text_of(answer["result"])) == (1, "Rex")
        assert near.sdk == 0
        far.send({"id": 3, "method": "ping"})
        assert (await far.reply())["id"] == 3


@pytest.mark.parametrize(
    "answer", [{"error": {"code": -1, "message": "no"}}, {"result": {}}, {"result": {"action": "perhaps"}}]
)
async def test_a_refusal_is_told_to_the_caller(tmp_path: Path, answer: dict[str, Any]) -> None:
    async with conversing(asking(tmp_path)) as (far, _):
        far.call(1, "adopt")
        far.send({"id": (await asked(far))["id"], **answer})
        result = (await far.reply())["result"]
        assert (code_of(result), "did not answer" in text_of(result)) == ("tool.error", True)


async def test_a_question_is_withdrawn_when_its_call_is_given_up(tmp_path: Path) -> None:
    async with conversing(asking(tmp_path)) as (far, near):
        far.call(1, "adopt")
        question = await asked(far)
        far.send({"method": "notifications/cancelled", "params": {"requestId": 1}})
        withdrawn = await far.reply()
        assert (withdrawn["method"], withdrawn["params"]["requestId"]) == ("notifications/cancelled", question["id"])
        far.send({"id": question["id"], "result": {"action": "decline"}}, {"id": 2, "method": "ping"})
        assert (await far.reply())["id"] == 2
        assert near.conversation._back._asked == {}


async def test_and_when_its_time_is_over_or_the_client_leaves(tmp_path: Path) -> None:
    async with conversing(asking(tmp_path)) as (far, near):
        far.call(1, "hurry")
        await asked(far)
        assert (await far.reply())["method"] == "notifications/cancelled"
        assert code_of((await far.reply())["result"]) == "deadline.exceeded"
        near.lines.drain = 0.05
        far.call(2, "adopt")
        await asked(far)
        far.end()
        await asyncio.wait_for(near.serving, 5)
        assert (await far.reply())["method"] == "notifications/cancelled"


async def test_a_client_that_cannot_answer_is_not_asked(tmp_path: Path) -> None:
    async with conversing(asking(tmp_path), None) as (far, _):
        far.send({"id": 0, "method": "initialize", "params": hello(capabilities={})}, called(1, "adopt"))
        assert (await far.replies(2))[1]["error"]["code"] == -32021


async def test_a_question_of_today_goes_out_sealed_and_its_answer_comes_back_through_the_sdk(tmp_path: Path) -> None:
    async with conversing(asking(tmp_path), MODERN) as (far, near):
        far.call(1, "adopt", True)
        result = (await far.reply())["result"]
        assert result["resultType"] == "input_required"
        assert result["inputRequests"]["q1"]["method"] == "elicitation/create"
        assert near.sdk == 1
        more = {"inputResponses": {"q1": {"action": "accept", "content": {"name": "Rex"}}}}
        for state, outcome in ((result["requestState"], "Rex"), (result["requestState"] + "x", None), ("v1.x", None)):
            second = called(2, "adopt", ENVELOPE)
            second["params"] |= more | {"requestState": state}
            far.send(second)
            answer = await far.reply()
            assert answer["id"] == 2
            if outcome is None:
                assert answer["error"]["data"] == {"reason": "invalid_request_state"}
            else:
                assert text_of(answer["result"]) == outcome
