"""The bare SDK's low-level server, as its documentation shows it, with a tool for each hole that was measured.

``python sdk_low.py [stdio | http PORT]``. Every tool only reads, so that it is called without any permission.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

SECRET = next((value for name, value in sorted(os.environ.items()) if "TOKEN" in name or "SECRET" in name), "none")


def schema(**properties: str) -> dict[str, Any]:
    described = {name: {"type": kind} for name, kind in properties.items()}
    return {"type": "object", "properties": described, "required": list(properties), "additionalProperties": False}


SCHEMAS = {
    "add": schema(a="integer", b="integer"),
    "echo": schema(text="string"),
    "connect": schema(),
    "wait": schema(seconds="number"),
    "list_names": schema(path="string"),
    "repeat": schema(text="string", count="integer"),
}
DESCRIPTIONS = {
    "add": "Add two integers.",
    "echo": "Give a text back.",
    "connect": "Say whether the service can be reached.",
    "wait": "Wait for so many seconds.",
    "list_names": "List the names in a folder.",
    "repeat": "Give a text so many times.",
}


def connect(_given: dict[str, Any]) -> str:
    raise RuntimeError(f"cannot connect: the service refused the token {SECRET}")


AT_ONCE: dict[str, Callable[[dict[str, Any]], str]] = {
    "add": lambda given: str(given["a"] + given["b"]),
    "echo": lambda given: given["text"],
    "connect": connect,
    "list_names": lambda given: "\n".join(sorted(os.listdir(given["path"]))),
    "repeat": lambda given: given["text"][:1_000] * min(given.get("count", 2), 5_000),
}


async def list_tools(_ctx: Any, _params: Any) -> types.ListToolsResult:
    read_only = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
    return types.ListToolsResult(
        tools=[
            types.Tool(name=name, description=DESCRIPTIONS[name], input_schema=given, annotations=read_only)
            for name, given in SCHEMAS.items()
        ]
    )


async def call_tool(_ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    given = params.arguments or {}
    if params.name == "wait":
        await asyncio.sleep(given["seconds"])
        text = "done"
    else:
        text = AT_ONCE[params.name](given)
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


server: Server[Any] = Server(
    "sdk-low", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=SCHEMAS.get
)


async def stdio() -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        import uvicorn

        uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
    else:
        asyncio.run(stdio())
