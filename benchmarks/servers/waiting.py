"""holdfast with every default guard, a quick tool, and one whose calls wait until `release` is called."""

import asyncio

from holdfast import Server

server = Server("waiting")
released: list[asyncio.Event] = []


def gate() -> asyncio.Event:
    """The event of this loop."""
    if not released:
        released.append(asyncio.Event())
    return released[0]


@server.tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool
async def hold() -> int:
    """Wait."""
    await gate().wait()
    return 42


@server.tool
async def release() -> int:
    """Let every call that waits end."""
    gate().set()
    return 42


if __name__ == "__main__":
    server.main()
