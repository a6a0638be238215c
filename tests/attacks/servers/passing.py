"""A server that takes tokens, and has a tool that fetches."""

from __future__ import annotations

from holdfast import PublicUrl, Server

server = Server("passing")


@server.tool(read_only=True)
async def fetch(url: PublicUrl) -> str:
    """Fetch a page."""
    return (await url.fetch(headers={"authorization": "Bearer the-servers-own"})).text()


if __name__ == "__main__":
    server.main()
