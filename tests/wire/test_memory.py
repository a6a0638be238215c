"""The client for tests: the SDK's own, in memory, in both eras, and everything ends with it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from support.calls import server_in


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_a_client_in_memory_calls_tools_and_hears_of_new_ones(tmp_path: Path, mode: str) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True)
    async def add(a: int, b: int) -> int:
        return a + b

    async with server.client(mode=mode) as client:
        answer = await client.call_tool("add", {"a": 2, "b": 40})
        assert answer.structured_content == {"result": 42}

        @server.tool
        async def more() -> str:
            return "more"

        assert [tool.name for tool in (await client.list_tools()).tools] == ["add", "more"]
        refused = await client.call_tool("add", {"a": "2", "b": 40})
        assert refused.is_error
        assert refused.meta is not None
        assert refused.meta["io.holdfast/code"] == "arguments.invalid"


async def test_clients_one_after_the_other_leave_nothing_behind(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def tool() -> str:
        return "done"

    async def once() -> None:
        async with server.client() as client:
            await client.call_tool("tool", {})

    await once()
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    for _ in range(3):
        await once()
    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() <= threads + 1
    assert server._serving == []
