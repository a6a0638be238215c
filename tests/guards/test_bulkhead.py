"""So many run, so many wait, the rest come back; a place is free only when its work has really ended."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

from support.calls import ask, code, living, server_in, text

from holdfast import Limits
from holdfast.testing import FakeClock


async def test_one_runs_one_waits_and_the_third_is_told_to_come_back(tmp_path: Path) -> None:
    server, go, running = server_in(tmp_path), asyncio.Event(), []

    @server.tool(limits=Limits(concurrency=1, queue=1))
    async def tool(which: int) -> str:
        running.append(which)
        await go.wait()
        return str(which)

    async with living(server) as live:
        first = asyncio.ensure_future(ask(live, "tool", {"which": 1}))
        second = asyncio.ensure_future(ask(live, "tool", {"which": 2}))
        for _ in range(40):
            await asyncio.sleep(0)
        third = await ask(live, "tool", {"which": 3})
        assert code(third) == "busy"
        assert third.meta["io.holdfast/retryAfter"] > 0
        assert running == [1]
        go.set()
        assert [text(await first), text(await second)] == ["1", "2"]


async def test_defaults_come_from_the_settings_and_zero_means_that_nobody_waits(tmp_path: Path) -> None:
    server, go = server_in(tmp_path, limits__concurrency=2, limits__queue=0), asyncio.Event()

    @server.tool
    async def tool() -> str:
        await go.wait()
        return "done"

    async with living(server) as live:
        calls = [asyncio.ensure_future(ask(live, "tool")) for _ in range(2)]
        for _ in range(40):
            await asyncio.sleep(0)
        assert code(await ask(live, "tool")) == "busy"
        go.set()
        assert [text(answer) for answer in await asyncio.gather(*calls)] == ["done", "done"]


async def test_the_whole_server_has_a_bound_and_waiting_for_it_ends_at_the_deadline(tmp_path: Path) -> None:
    server, clock, ran = server_in(tmp_path, limits__total=1), FakeClock(), []

    @server.tool
    async def hog() -> str:
        await clock.sleep(20)
        return "done"

    @server.tool(limits=Limits(timeout=1, concurrency=1, queue=0))
    async def other() -> str:
        ran.append(1)
        return "done"

    async with living(server, clock) as live:
        first = asyncio.ensure_future(ask(live, "hog"))
        await clock.settle()
        second = asyncio.ensure_future(ask(live, "other"))
        await clock.advance(1.1)
        assert code(await second) == "deadline.exceeded"
        assert live.plant.parts.total.running == 1
        await clock.advance(20)
        assert text(await first) == "done"
        assert ran == []
        assert text(await ask(live, "other")) == "done", "the place of its own that it had taken was given back"
        assert live.plant.parts.total.running == 0


async def test_work_in_threads_takes_its_tools_places_and_none_of_the_event_loops(tmp_path: Path) -> None:
    server, clock, go = server_in(tmp_path, limits__total=1, limits__threads=1), FakeClock(), threading.Event()

    @server.tool(limits=Limits(concurrency=2, queue=1))
    def asleep() -> str:
        go.wait()
        return "awake"

    @server.tool
    async def other() -> str:
        return "done"

    async with living(server, clock) as live:
        watched = live.plant.metrics.watched
        calls = [asyncio.ensure_future(ask(live, "asleep")) for _ in range(3)]
        await clock.settle()
        assert code(await ask(live, "asleep")) == "busy", "one runs, one waits for a thread, one for a place"
        assert text(await ask(live, "other")) == "done"
        assert (watched["calls_running"](), watched["calls_queued"]()) == (1, 1)
        calls.pop().cancel()
        go.set()
        assert [text(await call) for call in calls] == ["awake", "awake"]


async def test_an_abandoned_call_keeps_its_place_until_it_ends(tmp_path: Path) -> None:
    server, free = server_in(tmp_path), asyncio.Event()

    @server.tool(limits=Limits(concurrency=1, queue=0, timeout=0.05))
    async def stubborn() -> str:
        for _ in range(4):
            with suppress(asyncio.CancelledError):
                await free.wait()
                break
        return "late"

    async with living(server) as live:
        try:
            assert code(await ask(live, "stubborn")) == "deadline.exceeded"
            assert code(await ask(live, "stubborn")) == "busy", "it still runs"
        finally:
            free.set()
        while live.plant.parts.orphans.count:
            await asyncio.sleep(0)
        assert text(await ask(live, "stubborn")) == "late"
