"""The SDK's high-level server with one tool that blocks the event loop, as an author may write it who does not know.

``python sdk_block.py [stdio | http PORT]``. Every tool only reads, so that it is called without any permission.
"""

from __future__ import annotations

import sys
import time

from mcp.server import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("sdk-block")
tool = server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))


@tool
async def echo(text: str) -> str:
    """Give a text back."""
    return text


@tool
async def block(seconds: float) -> str:
    """Work for so many seconds."""
    time.sleep(seconds)
    return "done"


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server.run(transport="streamable-http", port=int(sys.argv[2]))
    else:
        server.run()
