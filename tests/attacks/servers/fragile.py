"""A server whose tools fail, wait, and take a schema of their own."""

from __future__ import annotations

import asyncio

from holdfast import Server
from holdfast.core.context import Context

server = Server("fragile")


@server.tool(read_only=True)
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@server.tool(read_only=True)
async def burst() -> str:
    """Fail with something that nobody foresaw."""
    raise ExceptionGroup("inside", [ValueError("one"), BaseExceptionGroup("two", [KeyError("three")])])


@server.tool(read_only=True)
async def slow(ctx: Context) -> str:
    """Tell how far it is for as long as somebody listens."""
    for step in range(100):
        await ctx.progress(step, 100)
        await asyncio.sleep(0.005)
    return "done"


if __name__ == "__main__":
    server.main()
