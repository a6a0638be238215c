"""Leader and followers: who reads while a call waits, what is answered and when, and how a conversation ends."""

from __future__ import annotations

import asyncio
import contextvars
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import server_in
from support.peers import ENVELOPE, MODERN, code_of, text_of
from support.waiting import until
from support.wires import called, conversing, hello

from holdfast import Context, Image, Limits, ResourceLink
from holdfast.core.pipeline import Answer
from holdfast.wire import conversation as module
from holdfast.wire import stdio
from holdfast.wire.messages import REPEATED

ERAS = ("2025-11-25", MODERN)
SPOT: contextvars.ContextVar[str] = contextvars.ContextVar("spot", default="clean")


class House:
    """A server whose tools wait for the test, and what they have done."""

    def __init__(self, base: Path) -> None:
        self.server = server_in(base)
        self.begun: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.ended: list[str] = []
        tool = self.server.tool
        tool(read_only=True)(self.quick)
        tool(read_only=True)(self.turns)
        tool(limits=Limits(timeout=60, concurrency=64))(self.wait)
        tool(limits=Limits(timeout=60))(self.steps)
        tool(self.cancel_itself)
        tool(self.cancel_everybody)
        tool(self.stubborn)
        tool(read_only=True)(self.picture)
        tool(read_only=True)(self.link)
        tool(self.grow)
        tool(self.spot)
        tool(read_only=True)(self.leave)

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    async def quick(self, number: int) -> int:
        """Answer at once."""
        return number

    async def turns(self, count: int) -> int:
        """Wait a few turns of the loop."""
        for _ in range(count):
            await asyncio.sleep(0)
        return count

    async def wait(self, name: str) -> str:
        """Wait for the test."""
        self.begun.append(name)
        try:
            await self.gate(name).wait()
        finally:
            self.ended.append(name)
        return name

    async def steps(self, ctx: Context, count: int, pause: bool = False) -> str:
        """Report progress."""
        for step in range(count):
            await ctx.report_progress(step, count)
            if pause:
                await asyncio.sleep(0)
        return "done"

    async def cancel_itself(self) -> str:
        """Cancel the task that it runs in."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return "?"

    async def cancel_everybody(self) -> str:
        """Cancel whoever reads and serves."""
        for task in asyncio.all_tasks():
            if task.get_name() == "holdfast-stdio":
                task.cancel()
        await asyncio.sleep(0.01)
        return "survived"

    async def stubborn(self) -> str:
        """End well although it is cancelled."""
        self.begun.append("stubborn")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "ended well"
        return "?"

    async def picture(self) -> list[Any]:
        """A picture."""
        return ["look", Image(b"x")]

    async def link(self) -> ResourceLink:
        """What only the SDK can judge."""
        return ResourceLink("note://3", "three", "the third", "text/plain", 5)

    async def grow(self, ctx: Context) -> str:
        """Change the list."""
        await ctx.tools_changed()
        return "grown"

    async def spot(self) -> str:
        """Leave a mark in its context; returns the one that it found."""
        found = SPOT.get()
        SPOT.set("stained")
        return found

    async def leave(self) -> str:
        """Raise what nothing should catch."""
        raise GeneratorExit


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A server with its tools."""
    return House(tmp_path)


def note(method: str, **params: Any) -> dict[str, Any]:
    """A notification."""
    return {"method": method, "params": params} if params else {"method": method}


def cancelled(number: Any) -> dict[str, Any]:
    """The client gives a request up."""
    return note("notifications/cancelled", requestId=number)


# -- leading and following ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ERAS)
async def test_while_one_call_waits_others_are_answered_whether_they_came_before_it_waited_or_after(
    house: House, version: str
) -> None:
    meta = True if version == MODERN else None
    async with conversing(house.server, version) as (far, near):
        far.send(called(1, "wait", meta, name="a"), called(2, "quick", meta, number=2))
        assert text_of((await far.reply())["result"]) == "2"
        far.send(called(3, "quick", meta, number=3))
        assert (await far.reply())["id"] == 3
        house.gate("a").set()
        assert (await far.reply())["id"] == 1
        assert near.sdk == 0, "and nobody asked for the SDK"


async def test_many_calls_that_wait_end_in_any_order_and_each_is_answered_once(house: House) -> None:
    async with conversing(house.server) as (far, near):
        names = [f"n{number}" for number in range(40)]
        far.send(*[called(number, "wait", name=name) for number, name in enumerate(names)])
        await until(lambda: len(house.begun) == 40)
        assert len(near.conversation._leaders) <= 41
        for name in reversed(names):
            house.gate(name).set()
        found = await far.replies(40)
        assert {number: text_of(answer["result"]) for number, answer in found.items()} == dict(enumerate(names))
        await until(lambda: len(near.conversation._leaders) == 1)
        assert near.conversation._calls == {}


async def test_calls_of_every_length_together_are_each_answered_once(house: House) -> None:
    async with conversing(house.server) as (far, near):
        far.send(*[called(number, "turns", count=number % 7) for number in range(200)])
        found = await far.replies(200)
        assert all(answer["result"]["structuredContent"]["result"] == number % 7 for number, answer in found.items())
        far.send(*[called(str(number), "quick", number=number) for number in range(200)])
        assert len(await far.replies(200)) == 200
        await until(lambda: len(near.conversation._leaders) == 1)


async def test_quick_calls_that_come_together_are_all_served_by_one_task(house: House) -> None:
    async with conversing(house.server) as (far, near):
        leader = near.conversation._leader
        far.send(*[called(number, "quick", number=number) for number in range(100)])
        assert len(await far.replies(100)) == 100
        assert near.conversation._leader is leader, "nobody waited, so nobody else had to read"


@pytest.mark.parametrize("pause", [False, True])
async def test_progress_goes_before_its_answer_and_after_what_was_answered_earlier(house: House, pause: bool) -> None:
    async with conversing(house.server) as (far, _):
        far.send(
            called(1, "quick", number=1),
            called(2, "steps", {"progressToken": "t"}, count=3, pause=pause),
            called(3, "steps", {"progressToken": 4}, count=2, pause=pause),
        )
        lines = [await far.reply() for _ in range(8)]
        ones = [line for line in lines if line.get("params", {}).get("progressToken") == "t" or line.get("id") == 2]
        others = [line for line in lines if line.get("params", {}).get("progressToken") == 4 or line.get("id") == 3]
        assert lines[0]["id"] == 1
        assert [line.get("id") for line in ones] == [None, None, None, 2]
        assert [line["params"]["progress"] for line in ones[:3]] == [0, 1, 2]
        assert [line.get("id") for line in others] == [None, None, 3]


async def test_nothing_of_one_calls_context_is_left_to_the_next(house: House) -> None:
    async with conversing(house.server) as (far, _):
        far.send(*[called(number, "spot") for number in range(5)])
        assert [text_of((await far.reply())["result"]) for _ in range(5)] == ["clean"] * 5


async def test_a_flood_of_quick_messages_leaves_the_loop_its_turns(house: House) -> None:
    async with conversing(house.server) as (far, near):
        late: list[float] = []

        async def heartbeat() -> None:
            while True:
                begun = time.monotonic()
                await asyncio.sleep(0)
                late.append(time.monotonic() - begun)

        beating = asyncio.ensure_future(heartbeat())
        sent = [b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % number for number in range(3_000)]
        sending = asyncio.ensure_future(asyncio.to_thread(_send_all, far.theirs, b"\n".join(sent) + b"\n"))
        assert len(await far.replies(3_000)) == 3_000
        await sending
        beating.cancel()
        assert sorted(late)[-3] < 0.5, "turns of 5 ms; the rest is how busy this machine is"
        assert near.sdk == 0


def _send_all(theirs: Any, raw: bytes) -> None:
    import select

    while raw:
        select.select([], [theirs], [], 5)
        raw = raw[theirs.send(raw) :]


@pytest.mark.parametrize("after", [b"garbage", b'{"jsonrpc":"2.0","id":9,"method":7}', b"x" * 1_100_000, b"[]"])
async def test_an_answer_does_not_wait_behind_a_line_that_is_refused(house: House, after: bytes) -> None:
    async with conversing(house.server) as (far, _):
        raw = json.dumps({"jsonrpc": "2.0", **called(9, "quick", number=1)}).encode() + b"\n"
        await asyncio.to_thread(_send_all, far.theirs, raw + after + b"\n")
        first, second = await far.reply(), await far.reply()
        assert (first["id"], "result" in first, "error" in second) == (9, True, True), "and it comes first"


async def test_an_answer_before_the_end_of_input_is_not_lost_behind_a_refused_line(house: House) -> None:
    async with conversing(house.server) as (far, near):
        far.send(called(1, "quick", number=1), b"garbage")
        far.end()
        assert ((await far.reply())["id"], (await far.reply())["id"]) == (1, None)
        await asyncio.wait_for(near.serving, 5)


async def test_when_too_many_wait_the_next_is_told_so_after_what_is_answered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "MAX_UNDER_WAY", 2)
    async with conversing(house.server) as (far, _):
        far.send(called(1, "wait", name="a"), called(2, "wait", name="b"), called(3, "quick", number=3))
        refused = await far.reply()
        assert (refused["id"], refused["error"]["code"]) == (3, -32000)
        house.gate("a").set()
        house.gate("b").set()
        assert set(await far.replies(2)) == {1, 2}


async def test_a_second_request_with_an_id_that_waits_is_refused_and_the_first_is_answered_once(house: House) -> None:
    async with conversing(house.server) as (far, _):
        far.send(called(1, "wait", name="a"), called("1", "quick", number=1), called(1, "quick", number=1))
        assert [(await far.reply())["id"] for _ in range(2)] == [None, None]
        house.gate("a").set()
        answer = await far.reply()
        assert (answer["id"], text_of(answer["result"])) == (1, "a")
        far.send(called("1", "quick", number=8))
        assert (await far.reply())["id"] == "1"


# -- giving up ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", [5, "5", "+5", " 5 ", "05", "0_5"])
async def test_a_call_is_cancelled_under_every_spelling_of_its_id_and_not_answered(house: House, spelled: Any) -> None:
    async with conversing(house.server) as (far, near):
        far.call(5, "wait", name="a")
        await until(lambda: house.begun)
        far.send(cancelled(spelled))
        await until(lambda: house.ended)
        await until(lambda: not near.conversation._calls)
        far.call(5, "quick", number=7)
        answer = await far.reply()
        assert (answer["id"], text_of(answer["result"])) == (5, "7"), "the id is free again"
        assert near.sdk == 0


@pytest.mark.parametrize("wanted", [5.0, True, None, [5], {"x": 5}, "", "6", 6, "9" * 5_000])
async def test_a_cancellation_of_nothing_changes_nothing(house: House, wanted: Any) -> None:
    async with conversing(house.server) as (far, _):
        far.call(5, "wait", name="a")
        await until(lambda: house.begun)
        far.send(cancelled(wanted), note("notifications/cancelled"), called(6, "quick", number=1))
        assert (await far.reply())["id"] == 6
        house.gate("a").set()
        assert (await far.reply())["id"] == 5


async def test_a_cancellation_may_come_with_the_call_before_it_begins_or_when_it_has_ended(house: House) -> None:
    async with conversing(house.server) as (far, near):
        far.send(called(1, "wait", name="a"), cancelled(1), cancelled(1), called(2, "quick", number=2), cancelled(2))
        assert (await far.reply())["id"] == 2
        far.send(cancelled(3), called(3, "quick", number=3))
        assert (await far.reply())["id"] == 3, "what is not known yet cannot be given up"
        await until(lambda: not near.conversation._calls)


async def test_at_every_moment_a_cancelled_call_is_answered_once_or_not_at_all(house: House) -> None:
    async with conversing(house.server) as (far, near):
        answered = []
        for turns in range(30):
            far.call(turns, "turns", count=8)
            for _ in range(turns):
                await asyncio.sleep(0)
            far.send(cancelled(turns), {"id": "end", "method": "ping"})
            seen = [(await far.reply())["id"]]
            while seen[-1] != "end":
                seen.append((await far.reply())["id"])
            assert seen in ([turns, "end"], ["end"])
            answered.append(len(seen))
            await until(lambda: not near.conversation._calls)
            far.call(turns, "quick", number=1)
            assert (await far.reply())["id"] == turns, "and its id is free again"
        assert set(answered) == {1, 2}, "the moments were well chosen"


async def test_a_call_that_ends_well_although_it_is_cancelled_is_not_answered_either(house: House) -> None:
    async with conversing(house.server) as (far, near):
        handle = near.live.handle

        async def swallowing(request: Any) -> Answer:
            try:
                return await handle(request)
            except asyncio.CancelledError:
                return Answer({"content": []})

        near.live.handle = swallowing  # type: ignore[method-assign]
        far.call(1, "wait", name="a")
        await until(lambda: house.begun)
        far.send(cancelled(1))
        await until(lambda: not near.conversation._calls)
        far.send(called(1, "quick", number=5))
        assert text_of((await far.reply())["result"]) == "5"


async def test_a_tool_that_ends_its_own_task_is_an_answer_like_any_other(house: House) -> None:
    async with conversing(house.server) as (far, _):
        for tool in ("cancel_itself", "leave"):
            far.call(tool, tool)
            answer = await far.reply()
            assert (answer["id"], code_of(answer["result"])) == (tool, "tool.failed")


@pytest.mark.parametrize("others", [0, 3])
async def test_a_tool_that_ends_whoever_reads_ends_no_conversation(house: House, others: int) -> None:
    async with conversing(house.server) as (far, _):
        far.send(*[called(number, "wait", name=str(number)) for number in range(others)])
        far.call("x", "cancel_everybody")
        found = await far.replies(others + 1)
        assert {code_of(answer["result"]) for answer in found.values()} == {"tool.failed"}
        far.call("y", "quick", number=1)
        assert (await far.reply())["id"] == "y"


async def test_a_reader_that_dies_is_replaced(house: House) -> None:
    async with conversing(house.server) as (far, near):
        for _ in range(3):
            leader = near.conversation._leader
            assert leader is not None
            leader.cancel()
            far.send({"id": 1, "method": "ping"})
            assert (await far.reply())["id"] == 1
            assert near.conversation._leader is not leader


async def test_an_answer_that_cannot_be_written_is_an_error_of_that_call(house: House) -> None:
    async with conversing(house.server) as (far, near):

        async def odd(request: Any) -> Answer:
            return Answer({"content": []}, {"x": object()})

        near.live.handle = odd  # type: ignore[method-assign]
        far.send(called(1, "quick", number=1), {"id": 2, "method": "ping"})
        found = await far.replies(2)
        assert found[1]["error"]["code"] == -32603
        assert found[2]["result"] == {}


async def test_a_fault_of_the_reader_itself_ends_the_conversation_and_is_told(house: House) -> None:
    async with conversing(house.server) as (far, near):

        def faulty(_body: Any) -> Any:
            raise ValueError("a fault")

        near.conversation._direct.take = faulty  # type: ignore[method-assign]
        serving = near.serving
        near.serving = asyncio.ensure_future(asyncio.sleep(0))
        far.send({"id": 1, "method": "ping"})
        with pytest.raises(ValueError, match="a fault"):
            await asyncio.wait_for(serving, 5)
        near.conversation._end(ValueError("a second one"))


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
async def test_a_call_that_waits_at_the_end_of_input_gets_its_time_and_no_more(house: House, together: bool) -> None:
    async with conversing(house.server) as (far, near):
        near.lines.drain = 0.2
        far.call(1, "wait", name="a")
        if not together:
            await until(lambda: house.begun)
        far.end()
        begun = time.monotonic()
        await asyncio.wait_for(near.serving, 5)
        assert 0.15 < time.monotonic() - begun < 3
        assert house.ended == ["a"]
        await near.outlet.close(0.2)
        assert far.nothing(), "it was not answered"


@pytest.mark.parametrize("together", [True, False])
async def test_one_that_ends_in_that_time_is_answered(house: House, together: bool) -> None:
    async with conversing(house.server) as (far, near):
        far.send(called(1, "wait", name="a"), called(2, "quick", number=2))
        if not together:
            await until(lambda: house.begun)
        far.end()
        assert (await far.reply())["id"] == 2
        house.gate("a").set()
        assert (await far.reply())["id"] == 1
        await asyncio.wait_for(near.serving, 5)
        await near.outlet.close(0.2)
        assert far.nothing()


async def test_a_server_that_is_stopped_answers_what_is_under_way(house: House) -> None:
    async with conversing(house.server) as (far, near):
        far.call(1, "wait", name="a")
        await until(lambda: house.begun)
        near.live.drain()
        near.intake.stop()
        far.call(2, "quick", number=1)
        house.gate("a").set()
        assert (await far.reply())["id"] == 1
        await asyncio.wait_for(near.serving, 5)


async def test_a_conversation_that_is_given_up_ends_its_calls(house: House) -> None:
    async with conversing(house.server) as (far, near):
        far.send(called(1, "wait", name="a"), called(2, "wait", name="b"))
        await until(lambda: len(house.begun) == 2)
        serving = near.serving
        near.serving = asyncio.ensure_future(asyncio.sleep(0))
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert sorted(house.ended) == ["a", "b"]


async def test_a_client_that_does_not_read_is_not_read_and_loses_nothing(house: House) -> None:
    async with conversing(house.server) as (far, near):
        near.outlet.pause_writing()
        far.send(called(1, "quick", number=1), called(2, "quick", number=2))
        await asyncio.sleep(0.02)
        assert near.lines._under_way == {1: 1} or near.lines._under_way == {}, "at most the one that was read before"
        near.outlet.resume_writing()
        assert set(await far.replies(2)) == {1, 2}


async def test_calls_that_end_while_the_client_does_not_read_are_answered_when_it_does(house: House) -> None:
    async with conversing(house.server) as (far, near):
        far.send(*[called(number, "wait", name=str(number)) for number in range(3)])
        await until(lambda: len(house.begun) == 3)
        near.outlet.pause_writing()
        for number in range(3):
            house.gate(str(number)).set()
        assert set(await far.replies(3)) == {0, 1, 2}
        near.outlet.resume_writing()


async def test_a_client_that_leaves_without_reading_gets_no_more_time_than_another(house: House) -> None:
    async with conversing(house.server) as (far, near):
        far.call(1, "wait", name="a")
        await until(lambda: house.begun)
        near.outlet.pause_writing()
        begun = time.monotonic()
        far.end()
        await asyncio.wait_for(near.serving, 5)
        assert time.monotonic() - begun < stdio.DRAIN + 1
        near.outlet.resume_writing()


# -- with the SDK ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ERAS)
async def test_what_is_unusual_is_the_sdks_and_plain_calls_go_on_beside_it(house: House, version: str) -> None:
    meta = True if version == MODERN else None
    envelope = {"_meta": ENVELOPE} if meta else {}
    async with conversing(house.server, version) as (far, near):
        far.send(called(1, "wait", meta, name="a"), {"id": 2, "method": "x/y", "params": envelope})
        found = await far.reply()
        assert (found["id"], found["error"]["code"]) == (2, -32601)
        far.send(
            called(3, "quick", meta, number=3),
            {"id": "r", "method": "tools/list", "params": {"cursor": "x"} | envelope},
        )
        found = await far.replies(2)
        assert "unknown cursor" in found["r"]["error"]["message"]
        house.gate("a").set()
        assert (await far.reply())["id"] == 1
        assert near.sdk == 1


@pytest.mark.parametrize("version", ERAS)
@pytest.mark.parametrize("used", ["holdfast-opening", REPEATED, REPEATED[:512]])
async def test_no_id_of_a_clients_makes_its_request_vanish(house: House, version: str, used: str) -> None:
    envelope = {"_meta": ENVELOPE} if version == MODERN else {}
    async with conversing(house.server, version) as (far, _):
        for _ in range(2):
            far.send({"id": used, "method": "x/y", "params": envelope})
            answer = await far.reply()
            assert "error" in answer
            assert answer["id"] == (used if len(used) <= 512 else None)


async def test_who_opens_in_an_unusual_way_is_the_sdks_altogether(house: House) -> None:
    async with conversing(house.server, None) as (far, near):
        far.send({"id": 1, "method": "initialize", "params": hello(extra=1)}, note("notifications/initialized"))
        assert (await far.reply())["result"]["protocolVersion"] == "2025-11-25"
        far.call(2, "quick", number=2)
        assert text_of((await far.reply())["result"]) == "2"
        assert near.sdk == 1
        assert near.conversation._direct.off


@pytest.mark.parametrize("before", [note("notifications/initialized"), note("x/y"), cancelled(1)])
async def test_so_is_who_opens_with_a_notification(house: House, before: dict[str, Any]) -> None:
    async with conversing(house.server, None) as (far, near):
        far.send(before, {"id": 1, "method": "initialize", "params": hello()}, called(2, "quick", number=2))
        assert set(await far.replies(2)) == {1, 2}
        assert near.sdk == 1


@pytest.mark.parametrize("version", ERAS)
async def test_a_request_that_waits_for_the_sdk_can_be_given_up(house: House, version: str) -> None:
    meta = ENVELOPE if version == MODERN else {}
    async with conversing(house.server, version) as (far, near):
        wait = called(1, "wait", meta, name="a")
        wait["params"]["task"] = None  # which makes it unusual
        far.send(wait, cancelled(1), {"id": 2, "method": "x/y", "params": {"_meta": meta}})
        assert (await far.reply())["id"] == 2
        await until(lambda: house.begun == house.ended)
        await until(lambda: not near.lines._under_way)


@pytest.mark.parametrize("version", ERAS)
@pytest.mark.parametrize("tool, kind", [("picture", "image"), ("link", "resource_link")])
async def test_every_kind_of_content_gets_through(house: House, version: str, tool: str, kind: str) -> None:
    async with conversing(house.server, version) as (far, near):
        far.call("p", tool, True if version == MODERN else None)
        answer = await far.reply()
        assert answer["id"] == "p"
        assert answer["result"]["content"][-1]["type"] == kind
        assert near.sdk == (kind == "resource_link")
        assert ("_meta" in answer["result"]) is (version == MODERN)


async def test_what_the_sdk_finds_wrong_is_an_error(house: House) -> None:
    async with conversing(house.server) as (far, near):

        async def odd(request: Any) -> Answer:
            return Answer({"content": [{"type": "nothing"}]})

        near.live.handle = odd  # type: ignore[method-assign]
        far.call(1, "quick", number=1)
        assert (await far.reply())["error"] == {"code": -32603, "message": "Handler returned an invalid result"}


class Broken(Exception):
    """The SDK is not what it was."""


class Fails:
    """An SDK that does not even begin, or that ends when it has begun."""

    clients: tuple[()] = ()

    def __init__(self, stays: asyncio.Event | None = None, *, returns: bool = False) -> None:
        self._stays = stays
        self._returns = returns

    async def serve_streams(self, read: Any, write: Any) -> None:
        if self._stays is not None:
            await read.receive()
            await self._stays.wait()
        if not self._returns:
            raise Broken


def no_sdk() -> Any:
    raise Broken


@pytest.mark.parametrize("build", [no_sdk, Fails, lambda: Fails(returns=True)])
@pytest.mark.parametrize("version", ERAS)
async def test_when_there_is_no_sdk_what_it_was_asked_is_answered_and_the_rest_goes_on(
    house: House, version: str, build: Callable[[], Any]
) -> None:
    meta = True if version == MODERN else None
    async with conversing(house.server, version) as (far, near):
        near.build = build
        far.call("waits", "wait", meta, name="a")
        await until(lambda: house.begun)
        far.send(*[{"id": number, "method": "x/y"} for number in range(300)])
        found = await far.replies(300)
        assert {(number, answer["error"]["code"]) for number, answer in found.items()} == {
            (number, -32603) for number in range(300)
        }
        far.send(note("notifications/unknown"), {"id": "later", "method": "x/y"}, called("p", "quick", meta, number=1))
        found = await far.replies(2)
        assert "error" in found["later"]
        assert "result" in found["p"]
        far.call("odd", "link", meta)
        answer = await far.reply()
        assert answer["id"] == "odd"
        assert build is not no_sdk or answer["error"]["code"] == -32603
        house.gate("a").set()
        assert (await far.reply())["id"] == "waits"
        assert near.sdk == 1


async def test_what_an_sdk_leaves_behind_is_answered_too(house: House) -> None:
    async with conversing(house.server) as (far, near):
        stays = asyncio.Event()
        near.build = lambda: Fails(stays)
        far.send({"id": 1, "method": "x/y"}, {"id": 2, "method": "x/y"})
        await until(lambda: near.sdk)
        stays.set()
        found = await far.replies(2)
        assert {answer["error"]["code"] for answer in found.values()} == {-32603}


async def test_the_end_of_input_waits_for_an_sdk_that_is_still_loading(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = asyncio.Event()
    real = asyncio.to_thread

    async def slowly(function: Any, *arguments: Any) -> Any:
        await loaded.wait()
        return await real(function, *arguments)

    async with conversing(house.server) as (far, near):
        monkeypatch.setattr("holdfast.wire.relay.asyncio.to_thread", slowly)
        near.lines.drain = 0.3
        far.send({"id": 1, "method": "x/y"})
        far.end()
        await until(lambda: near.conversation._relay is not None)
        await asyncio.sleep(0.4)
        assert not near.serving.done(), "its loading is not the call's time"
        loaded.set()
        assert (await far.reply())["id"] == 1
        await asyncio.wait_for(near.serving, 5)


# -- news --------------------------------------------------------------------------------------------------------------


CHANGED = "notifications/tools/list_changed"


async def heard(far: Any) -> list[str]:
    """The methods of all notifications until a ping is answered."""
    far.send({"id": "ping", "method": "tools/list", "params": {}})
    methods: list[str] = []
    while (line := await far.reply()).get("id") != "ping":
        methods.append(line.get("method", ""))
    return [method for method in methods if method]


async def test_news_are_told_exactly_once_before_the_sdk_joins_while_it_does_and_after(house: House) -> None:
    async with conversing(house.server) as (far, near):
        await until(lambda: near.conversation._direct.initialized)
        await near.conversation.changed("tools")
        assert await heard(far) == [CHANGED]
        far.send({"id": 1, "method": "x/y"})
        for _ in range(5):
            await near.conversation.changed("tools")
            assert await _count(far) == 1
        await until(lambda: near.conversation._relay is not None and near.conversation._relay.sdk is not None)
        await until(lambda: len(near.conversation._relay.sdk.clients))  # type: ignore[union-attr]
        await near.conversation.changed("tools")
        assert await _count(far) == 1


async def _count(far: Any) -> int:
    return (await heard(far)).count(CHANGED)


async def test_also_to_a_client_that_gets_ready_while_the_sdk_is_loading(house: House) -> None:
    async with conversing(house.server, None) as (far, near):
        far.send({"id": 0, "method": "initialize", "params": hello()}, {"id": 1, "method": "x/y"})
        assert (await far.reply())["id"] == 0
        await until(lambda: near.conversation._relay is not None)
        await near.conversation.changed("tools")
        far.send(note("notifications/initialized"))
        await until(lambda: near.conversation._direct.initialized)
        await near.conversation.changed("tools")
        lines = [await far.reply() for _ in range(2)]
        assert sorted(line.get("method", "") for line in lines) == ["", CHANGED], "once: it was not ready before"
        await until(lambda: len(near.conversation._relay.sdk.clients))  # type: ignore[union-attr]
        await near.conversation.changed("prompts")
        assert (await far.reply())["method"] == "notifications/prompts/list_changed"


async def test_a_client_of_today_hears_only_what_it_has_subscribed_to(house: House) -> None:
    async with conversing(house.server, MODERN) as (far, near):
        await near.conversation.changed("tools")
        await near.conversation.updated("note://a")
        params = {"_meta": ENVELOPE, "notifications": {"toolsListChanged": True}}
        far.send({"id": "s", "method": "subscriptions/listen", "params": params})
        assert "acknowledged" in (await far.reply())["method"], "and nothing before it"
        await near.conversation.changed("prompts")
        await near.conversation.changed("tools")
        await near.conversation.updated("note://a")
        assert (await far.reply())["method"] == CHANGED
        far.send({"id": 1, "method": "tools/list", "params": {"_meta": ENVELOPE}})
        assert (await far.reply())["id"] == 1


async def test_news_from_a_tool_go_before_its_answer(house: House) -> None:
    async with conversing(house.server) as (far, _):
        far.call(1, "grow")
        assert (await far.reply())["method"] == CHANGED
        assert (await far.reply())["id"] == 1


async def test_news_wait_for_a_client_that_does_not_read_but_not_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    async with conversing(house.server) as (far, near):
        await until(lambda: near.conversation._direct.initialized)
        near.outlet.pause_writing()
        begun = time.monotonic()
        await near.conversation.changed("tools")
        assert time.monotonic() - begun >= 0.05
        near.outlet.resume_writing()
        assert (await far.reply())["method"] == CHANGED


async def test_answers_that_nobody_asked_for_are_heard_by_nobody(house: House) -> None:
    async with conversing(house.server) as (far, near):
        junk = [{"id": number, "result": {}} for number in (1, "1", "holdfast-1", "holdfast-2", REPEATED[:512])]
        junk.append({"id": None, "error": {"code": 1, "message": "x"}})
        for _ in range(2):  # without the SDK, and with it
            far.send(*junk, called(1, "quick", number=1))
            assert text_of((await far.reply())["result"]) == "1"
            far.send({"id": "j", "method": "x/y"})
            assert (await far.reply())["id"] == "j"
        assert near.sdk == 1


async def test_a_level_that_is_set_counts_for_calls_on_either_path(house: House) -> None:
    @house.server.tool
    async def say(ctx: Context) -> str:
        """Log at two levels."""
        await ctx.notify_log("info", "quiet")
        await ctx.notify_log("error", "loud")
        return "said"

    async with conversing(house.server) as (far, _):
        far.send({"id": 1, "method": "logging/setLevel", "params": {"level": "error"}})
        assert (await far.reply())["result"] == {}
        for unusual in ({}, {"x": 1}):
            told = called(2, "say")
            told["params"] |= unusual
            far.send(told)
            assert (await far.reply())["params"]["data"] == "loud"
            assert (await far.reply())["id"] == 2
