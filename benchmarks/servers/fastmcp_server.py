"""FastMCP as its documentation shows it, without the banner, which would ask a package index for news."""

import sys

from fastmcp import FastMCP

server = FastMCP("fastmcp")


@server.tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool
async def echo(text: str) -> str:
    """Give a text back."""
    return text


def run() -> None:
    """Serve; stateless and plain JSON when the environment says so (FASTMCP_STATELESS_HTTP, FASTMCP_JSON_RESPONSE)."""
    if sys.argv[1] == "http":
        port = int(sys.argv[2])
        server.run("http", show_banner=False, host="127.0.0.1", port=port, uvicorn_config={"access_log": False})
    else:
        server.run(show_banner=False)


if __name__ == "__main__":
    run()
