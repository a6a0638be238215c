"""Something of every kind, some of it granted to some callers only."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holdfast import Context, Server

server = Server("granted", instructions="Ask for what you may.")


@server.tool(read_only=True)
async def hello() -> str:
    """Greet."""
    return "hello"


@server.tool(read_only=True)
async def read_part(part: str) -> str:
    """Read a part."""
    return f"read {part}"


@server.tool(read_only=True, scopes={"admin"})
async def audit_all() -> str:
    """Ask for a scope."""
    return "audited"


@server.tool(read_only=True)
async def mirrored(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Want its argument in a header too."""
    return region


@server.tool(read_only=True)
async def touch(ctx: Context) -> str:
    """Change both notes."""
    await ctx.resource_updated("note://secret")
    await ctx.resource_updated("note://open")
    return "touched"


@server.resource("note://open")
async def open_note() -> str:
    """For everybody."""
    return "open"


@server.resource("note://secret")
async def secret_note() -> str:
    """For some."""
    return "secret"


@server.resource("doc://{name}")
async def doc(name: str) -> str:
    """One of many."""
    return f"doc {name}"


@server.prompt
async def greet(name: str) -> str:
    """For everybody."""
    return f"hi {name}"


@server.prompt
async def plot(name: str) -> str:
    """For some."""
    return f"psst {name}"


@server.completion("greet", "name")
async def greeted(value: str) -> list[str]:
    """Names."""
    return [f"{value}da"]


@server.completion("plot", "name")
async def plotters(value: str) -> list[str]:
    """Names."""
    return [f"{value}ve"]


if __name__ == "__main__":
    server.main()
