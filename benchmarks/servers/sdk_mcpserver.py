"""The official SDK's high-level server, as its documentation shows it."""

import sys

from mcp.server import MCPServer

server = MCPServer("high-level")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


if __name__ == "__main__":
    if sys.argv[1] == "http":
        import uvicorn

        uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
    else:
        server.run()
