"""A server that takes tokens, and has tools that fetch, with a header of their own and without."""

from __future__ import annotations

from holdfast import PublicUrl, Server

server = Server("passing")


@server.tool(read_only=True)
async def fetch(url: PublicUrl) -> str:
    """Fetch a page."""
    return (await url.fetch(headers={"authorization": "Bearer the-servers-own"})).text()


@server.tool(read_only=True)
async def plain(url: PublicUrl) -> str:
    """Fetch a page, and show nothing."""
    return (await url.fetch()).text()


if __name__ == "__main__":
    server.main()
