"""The answer comes on time whatever the tool does, and abandoned work is counted and bounded."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from support.calls import ask, code, living, server_in, text

from holdfast import Context, Limits
from holdfast.testing import FakeClock


async def test_a_tool_has_its_own_time_or_the_servers_and_can_see_what_is_left(tmp_path: Path) -> None:
    server, clock = server_in(tmp_path, limits__timeout=7), FakeClock()

    @server.tool(limits=Limits(timeout=3))
    async def own(ctx: Context) -> float:
        return ctx.remaining

    @server.tool
    async def default(ctx: Context) -> float:
        return ctx.remaining

    async with living(server, clock) as live:
        assert [text(await ask(live, name)) for name in ("own", "default")] == ["3.0", "7.0"]


async def test_waiting_and_every_attempt_count_towards_one_deadline(tmp_path: Path) -> None:
    server, clock, ran = server_in(tmp_path), FakeClock(), []

    @server.tool(read_only=True, limits=Limits(timeout=2.5))
    async def down() -> str:
        ran.append(clock.now())
        await clock.sleep(1)
        raise ConnectionResetError

    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "down"))
        await clock.advance(2.6)
        assert code(await call) == "deadline.exceeded"
    assert len(ran) in (2, 3)


async def test_cancelling_the_caller_cancels_the_tool_and_is_no_answer(tmp_path: Path) -> None:
    server, begun, seen = server_in(tmp_path), asyncio.Event(), []

    @server.tool
    async def tool() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return ""

    async with living(server) as live:
        call = asyncio.ensure_future(ask(live, "tool"))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert seen == ["cancelled"]


async def test_an_abandoned_call_is_counted_shown_and_told_to_end_again_at_the_end(tmp_path: Path) -> None:
    server, woken = server_in(tmp_path), []

    @server.tool(limits=Limits(timeout=0.05))
    async def stubborn() -> str:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                woken.append(1)
        return "late"

    async with living(server) as live:
        assert code(await ask(live, "stubborn")) == "deadline.exceeded"
        assert live.plant.metrics.snapshot()["orphans"] == 1
    assert woken == [1, 1]


async def test_a_tool_runs_in_its_callers_task_and_an_abandoned_one_outlives_its_call(tmp_path: Path) -> None:
    server, tasks, free = server_in(tmp_path), [], asyncio.Event()

    @server.tool(limits=Limits(timeout=0.02))
    async def stubborn() -> str:
        tasks.append(asyncio.current_task())
        with suppress(asyncio.CancelledError):
            await free.wait()
        await free.wait()
        tasks.append(asyncio.current_task())
        return "late"

    async with living(server) as live:
        assert code(await ask(live, "stubborn")) == "deadline.exceeded"
        assert live.plant.parts.orphans.count == 1
        free.set()
        while live.plant.parts.orphans.count:
            await asyncio.sleep(0)
    assert tasks[0] is asyncio.current_task()
    assert tasks[1] is not tasks[0], "the call's end did not cancel it"


async def test_when_too_many_are_abandoned_no_new_work_starts(tmp_path: Path) -> None:
    server, free = server_in(tmp_path), asyncio.Event()

    @server.tool(limits=Limits(timeout=0.02))
    async def stubborn() -> str:
        for _ in range(4):
            with suppress(asyncio.CancelledError):
                await free.wait()
                break
        return "late"

    async with living(server) as live:
        live.plant.parts.orphans._limit = 2
        try:
            codes = [code(await ask(live, "stubborn")) for _ in range(4)]
        finally:
            free.set()
        while live.plant.parts.orphans.count:
            await asyncio.sleep(0)
        codes.append(code(await ask(live, "stubborn")))
    assert codes == ["deadline.exceeded"] * 2 + ["deadline.orphans"] * 2 + [""]
