"""The SDK's server: over HTTP nobody is the local user, whatever the SDK makes of a request."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from support.calls import living, server_in

from holdfast.wire.sdk import SdkServer


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_request_without_a_caller_is_the_local_users_over_pipes_only(tmp_path: Path, mode: str) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True)
    async def hello() -> str:
        return "hello"

    async with living(server) as live:
        async with Client(SdkServer(live).lowlevel, mode=mode) as client:
            assert (await client.call_tool("hello", {})).content[0].text == "hello"  # type: ignore[union-attr]
        async with Client(SdkServer(live, over_http=True).lowlevel, mode=mode) as client:
            with pytest.raises(MCPError, match="nobody knows whose request this is"):
                await client.call_tool("hello", {})
            with pytest.raises(MCPError, match="nobody knows whose request this is"):
                await client.list_tools()


async def test_a_request_that_came_past_the_edge_is_nobodys(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        ctx: Any = SimpleNamespace(request=SimpleNamespace(scope={}))
        for over_http in (False, True):
            with pytest.raises(MCPError):
                SdkServer(live, over_http=over_http)._principal(ctx)
