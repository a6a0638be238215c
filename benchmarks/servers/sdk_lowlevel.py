"""The yardstick: the official SDK's low-level server, with nothing around it."""

from __future__ import annotations

import asyncio
import os
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
ECHO: dict[str, Any] = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
SCHEMAS = {"add": SCHEMA, "echo": ECHO}


async def list_tools(_ctx: Any, _params: Any) -> types.ListToolsResult:
    """Both tools."""
    return types.ListToolsResult(
        tools=[
            types.Tool(name="add", description="Add two integers.", input_schema=SCHEMA),
            types.Tool(name="echo", description="Give a text back.", input_schema=ECHO),
        ]
    )


async def call_tool(_ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Add, or give back."""
    given = params.arguments or {}
    text = str(given["a"] + given["b"]) if params.name == "add" else given["text"]
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


# Without `get_tool_input_schema` each call over modern HTTP would list the tools first.
server: Server[Any] = Server(
    "bare", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=SCHEMAS.get
)


async def stdio() -> None:
    """Serve standard input and output."""
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    if sys.argv[1] == "http":
        import uvicorn

        stateless = os.environ.get("BENCH_STATELESS") == "1"
        app = server.streamable_http_app(stateless_http=stateless, json_response=stateless)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
    else:
        asyncio.run(stdio())
