"""A read-only tool that is slow is tried again beside the first attempt; a tool that writes never is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.calls import Client, ask, code, living, server_in, text

from holdfast import Context, Limits
from holdfast.core.context import current_context
from holdfast.core.pipeline import META
from holdfast.testing import FakeClock


async def test_the_second_attempt_answers_for_the_first_and_both_are_as_if_alone(tmp_path: Path) -> None:
    server, clock, seen = server_in(tmp_path), FakeClock(), []

    @server.tool(read_only=True, limits=Limits(timeout=10, hedge=1))
    async def slow(words: list[str], ctx: Context) -> str:
        assert current_context.get() is ctx
        seen.append((list(words), ctx.remaining))
        words.clear()
        await ctx.report_progress(len(seen))
        if len(seen) == 1:
            await asyncio.Event().wait()
        return f"attempt {len(seen)}"

    client = Client()
    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "slow", {"words": ["a"]}, client=client))
        await clock.advance(1.1)
        answer = await call
        await clock.settle()
        assert (text(answer), answer.meta) == ("attempt 2", {f"{META}hedged": True})
        assert seen == [(["a"], 10.0), (["a"], 9.0)], "as it was sent, within the same deadline"
        parts = live.plant.parts
        assert (parts.total.running, parts.background.count, parts.orphans.count) == (0, 0, 0)
        assert parts.metrics.events.items() == {("hedge.sent",): 1, ("hedge.won",): 1}
    assert len(client.told) == 1, "the second attempt reaches no client"


async def test_both_end_at_the_deadline_and_a_caller_that_leaves_takes_them_along(tmp_path: Path) -> None:
    server, clock, ended = server_in(tmp_path), FakeClock(), []

    @server.tool(read_only=True, limits=Limits(timeout=3, hedge=1))
    async def hangs() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)
        return "never"

    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "hangs"))
        await clock.advance(3.2)
        assert code(await call) == "deadline.exceeded"
        assert len(ended) == 2
        other = asyncio.ensure_future(ask(live, "hangs"))
        await clock.settle()
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other
        assert (len(ended), live.plant.parts.total.running) == (3, 0)


async def test_no_second_attempt_is_made_while_anybody_waits_for_a_place(tmp_path: Path) -> None:
    server, clock, ran, go = server_in(tmp_path), FakeClock(), [], asyncio.Event()

    @server.tool(read_only=True, limits=Limits(timeout=30, hedge=1, concurrency=1))
    async def slow() -> str:
        ran.append(1)
        await go.wait()
        return "done"

    async with living(server, clock) as live:
        calls = [asyncio.ensure_future(ask(live, "slow")) for _ in range(2)]
        await clock.advance(5)
        assert len(ran) == 1
        go.set()
        assert [text(each) for each in await asyncio.gather(*calls)] == ["done"] * 2
        assert live.plant.parts.metrics.events.items() == {}


async def test_a_thread_that_was_outrun_keeps_its_place_until_it_ends(tmp_path: Path) -> None:
    import threading

    server, free, turns = server_in(tmp_path), threading.Event(), ["second", "first"]

    @server.tool(read_only=True, limits=Limits(timeout=5, hedge=0.1))
    def slow() -> str:
        if turns.pop() == "first":
            free.wait(10)
        return "done"

    async with living(server) as live:
        answer: Any = await ask(live, "slow")
        assert (text(answer), answer.meta) == ("done", {f"{META}hedged": True})
        for _ in range(5):  # its cancellation is on its way
            await asyncio.sleep(0)
        assert live.plant.parts.threads.zombies == 1
        free.set()
        while live.plant.parts.threads.zombies:
            await asyncio.sleep(0)


async def test_a_second_attempt_asks_nobody_and_that_is_no_answer(tmp_path: Path) -> None:
    server, clock = server_in(tmp_path), FakeClock()

    @server.tool(read_only=True, limits=Limits(timeout=10, hedge=1))
    async def asks(ctx: Context) -> str:
        await ctx.notify_log("info", "asking")
        await ctx.close_stream()
        if ctx.remaining > 9.5:
            await clock.sleep(2)
        return str(await ctx.roots())

    client = Client("roots", q1={"roots": [{"uri": "file:///a"}]})
    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "asks", client=client))
        await clock.advance(3)
        answer = await call
        assert (text(answer), answer.meta) == ("[{'uri': 'file:///a'}]", {})
        assert live.plant.parts.metrics.events.items() == {("hedge.sent",): 1}
    assert len(client.told) == 2, "by the first attempt"
