"""A rate refuses at once, says when to come back, and is each principal's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.calls import ask, code, living, server_in, text

from holdfast import Limits
from holdfast.testing import FakeClock, principal


@pytest.mark.parametrize(
    "rate, calls, wait", [("2/minute", 2, 60.0), ("0.5/second", 1, 2.0), ("0.1/minute", 1, 600.0), ("3/second", 3, 1.0)]
)
async def test_so_many_calls_pass_and_the_next_is_told_when(tmp_path: Path, rate: str, calls: int, wait: float) -> None:
    server, clock = server_in(tmp_path), FakeClock()

    @server.tool(read_only=True, limits=Limits(rate=rate))
    async def tool() -> str:
        return "ok"

    async with living(server, clock) as live:
        assert [code(await ask(live, "tool")) for _ in range(calls)] == [""] * calls
        refused = await ask(live, "tool")
        assert code(refused) == "rate.limited"
        assert rate in text(refused)
        assert refused.meta["io.holdfast/retryable"] is True
        assert refused.meta["io.holdfast/retryAfter"] == pytest.approx(wait)
        assert code(await ask(live, "tool", who=principal("other"))) == ""
        await clock.advance(wait)
        assert code(await ask(live, "tool")) == ""


async def test_a_tool_without_a_rate_has_the_servers(tmp_path: Path) -> None:
    server = server_in(tmp_path, limits__rate="1/hour")

    @server.tool(read_only=True)
    async def one() -> str:
        return "ok"

    @server.tool(read_only=True)
    async def two() -> str:
        return "ok"

    async with living(server) as live:
        assert [code(await ask(live, name)) for name in ("one", "two", "one")] == ["", "", "rate.limited"]


async def test_what_is_refused_later_was_a_call_all_the_same(tmp_path: Path) -> None:
    server = server_in(tmp_path, limits__rate="1/hour")

    @server.tool(read_only=True)
    async def tool(a: int) -> str:
        return "ok"

    async with living(server) as live:
        assert code(await ask(live, "tool", {"a": "x"})) == "arguments.invalid"
        assert code(await ask(live, "tool", {"a": 1})) == "rate.limited"
