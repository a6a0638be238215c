"""The yardstick: the official SDK's low-level server, with nothing around it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}


async def list_tools(_ctx: Any, _params: Any) -> types.ListToolsResult:
    """The one tool."""
    return types.ListToolsResult(tools=[types.Tool(name="add", description="Add two integers.", input_schema=SCHEMA)])


async def call_tool(_ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Add."""
    given = params.arguments or {}
    return types.CallToolResult(content=[types.TextContent(type="text", text=str(given["a"] + given["b"]))])


# Without `get_tool_input_schema` each call over modern HTTP would list the tools first.
server: Server[Any] = Server(
    "bare", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=lambda _name: SCHEMA
)


async def stdio() -> None:
    """Serve standard input and output."""
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    if sys.argv[1] == "http":
        import uvicorn

        uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
    else:
        asyncio.run(stdio())
