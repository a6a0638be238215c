"""FastMCP with tools that were given half a second, as its documentation shows it: blocking, in a thread, stubborn.

``python fastmcp_timed.py [stdio | http PORT]``. Every tool only reads, so that it is called without any permission.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress

from fastmcp import FastMCP
from mcp.types import ToolAnnotations

READS = ToolAnnotations(readOnlyHint=True, openWorldHint=False)
SECONDS = 0.5

server = FastMCP("fastmcp-timed")


@server.tool(annotations=READS)
async def echo(text: str) -> str:
    """Give a text back."""
    return text


@server.tool(annotations=READS, timeout=SECONDS)
def sleep(seconds: float) -> str:
    """Work for so many seconds in a thread."""
    time.sleep(seconds)
    return "done"


@server.tool(annotations=READS, timeout=SECONDS)
async def block(seconds: float) -> str:
    """Work for so many seconds."""
    time.sleep(seconds)
    return "done"


@server.tool(annotations=READS, timeout=SECONDS)
async def stubborn(seconds: float) -> str:
    """Wait for so many seconds, whoever takes the call back."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(left)
    return "done"


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server.run("http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False)
    else:
        server.run(show_banner=False)
