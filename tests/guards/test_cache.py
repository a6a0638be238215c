"""Answers given again: per principal and arguments, never an error, never a question, never one caller's own."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.calls import Client, ask, code, living, server_in, text

from holdfast import Context, Server, ToolError
from holdfast.core.principal import Principal
from holdfast.testing import FakeClock, principal

ADA, EVE = principal("ada"), principal("eve")


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server that counts how often its cacheable tool really runs."""
    server, numbers = server_in(tmp_path), count(1)

    @server.tool(read_only=True, cacheable=10)
    async def counted(which: dict[str, int]) -> int:
        return next(numbers)

    return server


async def counted(live: Any, who: Any = ADA, **which: int) -> str:
    return text(await ask(live, "counted", {"which": which}, who=who))


async def test_the_same_question_of_the_same_principal_is_answered_from_memory(server: Server) -> None:
    async with living(server) as live:
        assert await counted(live, a=1, b=2) == await counted(live, b=2, a=1), "the order of keys means nothing"
        assert await counted(live, a=2) == "2", "other arguments are another question"


async def test_nobody_is_given_anothers_answer(server: Server) -> None:
    async with living(server) as live:
        assert await counted(live, ADA) != await counted(live, EVE)


async def test_a_principal_with_other_scopes_is_given_no_answer_of_before_and_joins_no_call(tmp_path: Path) -> None:
    server, gate = server_in(tmp_path), asyncio.Event()

    @server.tool(read_only=True, cacheable=60)
    async def mine(ctx: Context) -> str:
        more = ctx.principal.may(frozenset({"admin"}))
        await gate.wait()
        return "everything" if more else "a little"

    more, less = Principal("ada", frozenset({"admin"})), Principal("ada")
    async with living(server) as live:
        asked = [asyncio.create_task(ask(live, "mine", who=who)) for who in (more, less)]
        await asyncio.sleep(0)
        gate.set()
        assert [text(await each) for each in asked] == ["everything", "a little"], "coalesced"
        assert [text(await ask(live, "mine", who=who)) for who in (less, more)] == ["a little", "everything"], "kept"


async def test_an_answer_grows_too_old_by_the_servers_clock(server: Server) -> None:
    clock = FakeClock()
    async with living(server, clock) as live:
        assert [await counted(live), await counted(live)] == ["1", "1"]
        await clock.advance(9.9)
        assert await counted(live) == "1"
        await clock.advance(0.2)
        assert await counted(live) == "2"


async def test_errors_and_refusals_are_not_remembered(tmp_path: Path) -> None:
    server, numbers = server_in(tmp_path), count(1)

    @server.tool(read_only=True, cacheable=True)
    async def second_time() -> str:
        if next(numbers) == 1:
            raise ToolError("not yet")
        return "now"

    async with living(server) as live:
        assert code(await ask(live, "second_time")) == "tool.error"
        assert text(await ask(live, "second_time")) == "now"


async def test_what_was_given_out_once_cannot_be_altered_for_the_next(server: Server) -> None:
    async with living(server) as live:
        first = await ask(live, "counted", {"which": {}})
        first.meta["stain"] = True
        assert "stain" not in (await ask(live, "counted", {"which": {}})).meta


async def test_identical_calls_under_way_share_one_run(tmp_path: Path) -> None:
    server, ran, go = server_in(tmp_path), [], asyncio.Event()

    @server.tool(read_only=True, cacheable=True)
    async def slow() -> str:
        ran.append(1)
        await go.wait()
        return "once"

    async with living(server) as live:
        calls = [asyncio.ensure_future(ask(live, "slow")) for _ in range(10)]
        while not ran:
            await asyncio.sleep(0)
        go.set()
        assert {text(answer) for answer in await asyncio.gather(*calls)} == {"once"}
    assert ran == [1]


async def test_the_caller_that_came_first_may_leave_without_hurting_those_who_share(tmp_path: Path) -> None:
    server, begun, go = server_in(tmp_path), asyncio.Event(), asyncio.Event()

    @server.tool(read_only=True, cacheable=True)
    async def slow() -> str:
        helper = asyncio.get_running_loop().create_task(go.wait())
        begun.set()
        await helper
        return "shared"

    async with living(server) as live:
        first = asyncio.ensure_future(ask(live, "slow"))
        await begun.wait()
        second = asyncio.ensure_future(ask(live, "slow"))
        for _ in range(20):
            await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        assert text(await second) == "shared"


async def test_what_the_shared_run_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    server, left = server_in(tmp_path), []

    @server.tool(read_only=True, cacheable=True)
    async def untidy() -> str:
        left.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))
        return "gone"

    async with living(server) as live:
        await ask(live, "untidy")
        assert left[0].done()


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_a_cacheable_tool_cannot_ask_since_the_answer_would_be_given_to_others(tmp_path: Path, era: Any) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True, cacheable=True)
    async def asks(ctx: Context) -> str:
        return str(await ctx.roots())

    known = {"roots": [{"uri": "file:///home/ada"}]}
    async with living(server) as live:
        answer = await ask(live, "asks", client=Client("roots", era=era, q1=known))
    assert code(answer) == "tool.failed"
    assert not answer.input_required
