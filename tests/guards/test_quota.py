"""What is spent is spent, what was refused later is given back, and concurrent calls spend nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.calls import ask, code, living, server_in, text

from holdfast import Limits, Server, ToolError
from holdfast.testing import principal


def metered(base: Path, quota: str = "3/day") -> Server:
    server = server_in(base, limits__quota=quota)

    @server.tool(read_only=True)
    async def buy(count: int = 1) -> str:
        return "bought"

    @server.tool(read_only=True)
    async def fail(how: str) -> str:
        raise {"tool": ToolError("no"), "world": OSError(), "code": KeyError()}[how]

    @server.tool(read_only=True, limits=Limits(cost=0))
    async def free() -> str:
        return "free"

    @server.tool(read_only=True, limits=Limits(cost=2))
    async def dear() -> str:
        return "dear"

    @server.tool(limits=Limits(timeout=0.05))
    async def slow() -> str:
        await asyncio.Event().wait()
        return ""

    return server


async def test_past_the_quota_a_principal_is_refused_until_its_period_ends(tmp_path: Path) -> None:
    async with living(metered(tmp_path)) as live:
        assert [code(await ask(live, "buy")) for _ in range(4)] == ["", "", "", "quota.exceeded"]
        refused = await ask(live, "buy")
        assert 0 < refused.meta["io.holdfast/retryAfter"] <= 86_400
        assert code(await ask(live, "buy", who=principal("other"))) == "", "each has its own"
        assert text(await ask(live, "free")) == "free"


async def test_cost_counts_and_what_does_not_fit_whole_is_refused(tmp_path: Path) -> None:
    async with living(metered(tmp_path)) as live:
        assert [code(await ask(live, "dear")) for _ in range(2)] == ["", "quota.exceeded"]
        assert code(await ask(live, "buy")) == ""


async def test_calls_that_a_later_guard_refused_cost_nothing(tmp_path: Path) -> None:
    async with living(metered(tmp_path)) as live:
        for _ in range(10):
            assert code(await ask(live, "buy", {"count": "x"})) == "arguments.invalid"
        assert [code(await ask(live, "buy")) for _ in range(4)] == ["", "", "", "quota.exceeded"]


async def test_calls_that_ran_cost_even_when_they_failed_or_were_late(tmp_path: Path) -> None:
    async with living(metered(tmp_path)) as live:
        assert code(await ask(live, "fail", {"how": "tool"})) == "tool.error"
        assert code(await ask(live, "fail", {"how": "code"})) == "tool.failed"
        assert code(await ask(live, "slow")) == "deadline.exceeded"
        assert code(await ask(live, "buy")) == "quota.exceeded"


async def test_a_crowd_cannot_spend_more_than_there_is(tmp_path: Path) -> None:
    async with living(metered(tmp_path, "10/day")) as live:
        codes = [code(answer) for answer in await asyncio.gather(*(ask(live, "buy") for _ in range(40)))]
    assert codes.count("") == 10


async def test_a_spent_quota_stays_spent_over_a_restart(tmp_path: Path) -> None:
    async with living(metered(tmp_path, "1/day")) as live:
        assert code(await ask(live, "buy")) == ""
    async with living(metered(tmp_path, "1/day")) as live:
        assert code(await ask(live, "buy")) == "quota.exceeded"
