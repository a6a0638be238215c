"""The SDK's high-level server, as its documentation shows it, with a tool for each hole that was measured.

``python sdk_high.py [stdio | http PORT]``. Every tool only reads, so that it is called without any permission.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("sdk-high")
tool = server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))


@tool
def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@tool
async def echo(text: str) -> str:
    """Give a text back."""
    return text


@tool
def sleep(seconds: float) -> str:
    """Work for so many seconds in a thread."""
    time.sleep(seconds)
    return "done"


@tool
async def wait(seconds: float) -> str:
    """Wait for so many seconds."""
    await asyncio.sleep(seconds)
    return "done"


@tool
async def hurried(seconds: float) -> str:
    """Work for so many seconds in a thread, but for no longer than 0.3."""
    with anyio.fail_after(0.3):
        await anyio.to_thread.run_sync(time.sleep, seconds)
    return "done"


@tool
def list_names(path: str) -> list[str]:
    """List the names in a folder."""
    return sorted(os.listdir(path))


@tool
def repeat(text: str, count: int) -> str:
    """Give a text so many times."""
    return text[:1_000] * min(count, 5_000)


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server.run(transport="streamable-http", port=int(sys.argv[2]))
    else:
        server.run()
