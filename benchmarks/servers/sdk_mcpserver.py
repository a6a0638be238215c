"""The official SDK's high-level server, as its documentation shows it."""

import os
import sys

from mcp.server import MCPServer

server = MCPServer("high-level")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool()
async def echo(text: str) -> str:
    """Give a text back."""
    return text


if __name__ == "__main__":
    if sys.argv[1] == "http":
        import uvicorn

        stateless = os.environ.get("BENCH_STATELESS") == "1"
        app = server.streamable_http_app(stateless_http=stateless, json_response=stateless)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
    else:
        server.run()
